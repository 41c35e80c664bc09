/** The deadline that can be trusted: acceptance B1 to B6, D9, on the manual clock. */

import { describe, expect, test } from 'vitest'
import { Candidate, type Tenure } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { Puppet } from './puppet.ts'

// Believed for 3000 * 0.99 - 600 = 2370 ms from the request that was answered.
const timing = { ttlMs: 3000, renewMs: 1000, callMs: 500, marginMs: 600 }

async function leading(over: object = {}) {
  const clock = new ManualClock()
  const store = new Puppet(clock)
  const a = new Candidate({ election: 'e', store, clock, ...timing, ...over })
  const ends: string[] = []
  a.on('deposed', (_, why) => ends.push(why))
  a.on('trouble', () => {})
  await a.start()
  // Past the first renewals, so that the tenure stands on one of them.
  await clock.advance(5000)
  const tenure = a.tenure as Tenure
  return { clock, store, a, ends, tenure }
}

/** A second process on the same data with a clock of its own that goes at the same rate. */
function rivalOf(store: Puppet, clock: ManualClock) {
  const b = new Candidate({ election: 'e', store: store.inner, clock, ...timing })
  return b
}

describe('B1: the store fails, hangs, or is cut off', () => {
  test.each([
    [
      'answers errors',
      (store: Puppet) => {
        store.failing = () => new Error('down')
      },
    ],
    ['hangs', (store: Puppet) => store.hold('acquire', 'renew', 'release', 'read')],
  ])('%s: the leader stops believing, and aborts, before anybody else can lead', async (_, fail) => {
    const { clock, store, a, ends, tenure } = await leading()
    const b = rivalOf(store, clock)
    await b.start()
    let overlapped = false
    let rivalAt = 0
    b.on('elected', () => {
      overlapped ||= a.isLeader || !tenure.signal.aborted
      rivalAt = clock.mono()
    })
    let abortedAt = 0
    tenure.signal.addEventListener('abort', () => {
      abortedAt = clock.mono()
    })
    fail(store)
    await clock.advance(10_000)
    expect(overlapped).toBe(false)
    expect(b.isLeader).toBe(true)
    expect(ends).toEqual(['expired'])
    // The margin is kept for the work to end in.
    expect(rivalAt - abortedAt).toBeGreaterThanOrEqual(600)
    let stopped = false
    void a.stop().then(() => {
      stopped = true
    })
    await clock.advance(2000)
    expect(stopped).toBe(true)
    await b.stop()
  })

  test('one failed renewal costs nothing', async () => {
    const { clock, store, a, ends } = await leading()
    let failures = 0
    store.failing = (verb) => (verb === 'renew' && failures++ < 1 ? new Error('reset') : undefined)
    await clock.advance(10_000)
    expect(failures).toBeGreaterThan(1)
    expect(a.isLeader).toBe(true)
    expect(ends).toEqual([])
    await a.stop()
  })
})

describe('B2: the deadline counts from the request', () => {
  test('a renewal that is answered late extends by what it was sent for, not by when it was heard', async () => {
    const { clock, store, a, tenure } = await leading()
    store.hold('renew', 'release', 'acquire')
    for (let i = 0; i < 100 && store.trips.length === 0; i++) await clock.advance(10)
    const sentAt = clock.mono()
    const trip = store.take('renew')
    await trip.land()
    await clock.advance(450)
    await trip.answer()
    expect(tenure.remainingMs()).toBeLessThanOrEqual(2370 - 450 + 10)
    // Then the link is cut.
    await clock.advance(2370 - 450 + 10)
    expect(clock.mono() - sentAt).toBeLessThanOrEqual(2370 + 20)
    expect(a.isLeader).toBe(false)
    await Promise.all([a.stop(), clock.advance(3000)])
  })

  test('an answer that comes after its call was given up still counts, from its own send', async () => {
    const { clock, store, a } = await leading()
    store.hold('renew')
    for (let i = 0; i < 100 && store.trips.length === 0; i++) await clock.advance(10)
    const late = store.take('renew')
    await late.land()
    await clock.advance(1800)
    expect(a.isLeader).toBe(true)
    await late.answer()
    store.hold()
    for (const trip of [...store.trips]) await trip.answer()
    await clock.advance(5000)
    expect(a.isLeader).toBe(true)
    await a.stop()
  })

  test('a late refusal is still consumed: the tenure is over at once', async () => {
    const { clock, store, a, ends, tenure } = await leading()
    store.hold('renew')
    for (let i = 0; i < 100 && store.trips.length === 0; i++) await clock.advance(10)
    const late = store.take('renew')
    await clock.advance(700)
    expect(a.isLeader).toBe(true)
    // An operator gives the election away; the renewal that nobody waits for lands on that.
    await store.inner.release({ election: 'e', holder: await holderOf(store) }, new AbortController().signal)
    await late.answer()
    expect(tenure.signal.aborted).toBe(true)
    expect(ends).toEqual(['superseded'])
    await Promise.all([a.stop(), clock.advance(3000)])
  })
})

describe('B3, B4: clocks are asked, timers never trusted', () => {
  test('the event loop is blocked for three ttl: the first question is answered with no', async () => {
    const { clock, a, ends, tenure } = await leading()
    clock.block(9000)
    expect(a.isLeader).toBe(false)
    expect(tenure.signal.aborted).toBe(true)
    expect(tenure.held).toBe(false)
    expect(() => tenure.assertHeld()).toThrow(/`e`.*has ended/)
    expect(ends).toEqual(['expired'])
    await a.stop()
  })

  test('throwIfAborted() asks the clock, too, whoever asks first', async () => {
    const { clock, a, tenure, ends } = await leading()
    tenure.signal.throwIfAborted()
    clock.block(9000)
    expect(() => tenure.signal.throwIfAborted()).toThrow(/`e` has ended: expired/)
    expect(ends).toEqual(['expired'])
    await a.stop()
  })

  test('the question alone aborts the signal, on the spot, for everybody who listens', async () => {
    const { clock, a, tenure } = await leading()
    let heard = false
    tenure.signal.addEventListener('abort', () => {
      heard = true
    })
    clock.block(9000)
    expect(heard).toBe(false)
    expect(tenure.signal.aborted).toBe(true)
    expect(heard).toBe(true)
    await a.stop()
  })

  test('a process that wakes late cannot renew its way back', async () => {
    const { clock, store, a } = await leading()
    const token = a.tenure?.fencingToken ?? 0
    const renewals = store.counts.renew
    clock.block(2400)
    await clock.advance(0)
    expect(a.isLeader).toBe(false)
    expect(store.counts.renew).toBe(renewals)
    await clock.advance(5000)
    // Nobody else wanted it: elected anew, with a new token.
    expect(a.tenure?.fencingToken).toBeGreaterThan(token)
    await a.stop()
  })

  test('the machine sleeps: the wall clock ends the tenure although the monotonic one stood still', async () => {
    const { clock, a, tenure } = await leading()
    clock.suspend(60_000)
    expect(a.isLeader).toBe(false)
    expect(tenure.signal.aborted).toBe(true)
    await a.stop()
  })

  test.each([3_600_000, -3_600_000])('a step of the wall clock by %i ms neither makes two leaders nor starves the election', async (ms) => {
    const { clock, a } = await leading()
    clock.stepWall(ms)
    await clock.advance(10_000)
    expect(a.isLeader).toBe(true)
    clock.suspend(60_000)
    // After a step back, too, the wall clock is measured from the latest renewal.
    expect(a.isLeader).toBe(false)
    await a.stop()
  })

  test('the machine slept for a part of the lease, and the store is gone: told by the wall clock, without being asked', async () => {
    const { clock, store, tenure, ends } = await leading()
    const deadline = clock.wall() + tenure.remainingMs()
    let abortedAt = 0
    tenure.signal.addEventListener('abort', () => {
      abortedAt = clock.wall()
    })
    store.failing = () => new Error('down')
    clock.suspend(1000)
    await clock.advance(2000)
    expect(ends).toEqual(['expired'])
    // A timer is a millisecond late at most.
    expect(abortedAt).toBeLessThanOrEqual(deadline + 1)
  })

  test('a late timer does not condemn a call whose answer has arrived', async () => {
    const { clock, store, a, ends } = await leading()
    store.hold('renew')
    for (let i = 0; i < 100 && store.trips.length === 0; i++) await clock.advance(10)
    const trip = store.take('renew')
    // Blocked for longer than the call may take, and less than the lease: the answer lies ready behind the timer.
    clock.block(900)
    const troubles: string[] = []
    a.on('trouble', (error) => troubles.push(error.code))
    const answered = trip.answer()
    await clock.advance(0)
    await answered
    await clock.advance(10)
    expect(troubles).toEqual([])
    expect(ends).toEqual([])
    await a.stop()
  })
})

describe('B5, B6: zombies and rivals', () => {
  test.each(['renew', 'release'] as const)('a %s that stalls, and lands when another leads, does nothing', async (verb) => {
    const { clock, store, a } = await leading()
    const b = rivalOf(store, clock)
    await b.start()
    store.hold('renew', 'release', 'acquire')
    if (verb === 'release') void a.stop()
    for (let i = 0; i < 2000 && !b.isLeader; i++) await clock.advance(10)
    const token = b.tenure?.fencingToken
    while (store.trips.length > 0) await store.trips.shift()?.answer()
    await clock.advance(5000)
    expect(b.isLeader).toBe(true)
    expect(b.tenure?.fencingToken).toBe(token)
    store.hold()
    await Promise.all([a.stop(), b.stop()])
  })

  test('a refused renewal ends the tenure at once, not at the deadline', async () => {
    const { clock, store, ends, a } = await leading()
    const holder = await holderOf(store)
    await store.inner.release({ election: 'e', holder }, new AbortController().signal)
    await clock.advance(20)
    // The watch told of the release: no need to wait for the next renewal.
    expect(ends).toEqual(['superseded'])
    await a.stop()
  })

  test('a late refusal of an earlier try does not end the tenure that a later one won', async () => {
    const clock = new ManualClock()
    const store = new Puppet(clock)
    const other = new Candidate({ election: 'e', store: store.inner, clock, ...timing })
    await other.start()
    const a = new Candidate({ election: 'e', store, clock, ...timing })
    a.on('trouble', () => {})
    store.hold('acquire')
    void a.start()
    await clock.settle()
    const first = store.take('acquire')
    await first.land()
    await clock.advance(600)
    await other.stop()
    for (let i = 0; i < 1000 && store.trips.length === 0; i++) await clock.advance(10)
    await store.take('acquire').answer()
    expect(a.isLeader).toBe(true)
    const token = a.tenure?.fencingToken
    await first.answer()
    await clock.settle()
    expect(a.tenure?.fencingToken).toBe(token)
    store.hold()
    await a.stop()
  })
})

describe('B9: the store did it, and the answer was lost', () => {
  test('acquire: the same holder asks again and adopts what remains, no more', async () => {
    const clock = new ManualClock()
    const store = new Puppet(clock)
    const a = new Candidate({ election: 'e', store, clock, ...timing })
    a.on('trouble', () => {})
    store.hold('acquire')
    void a.start()
    await clock.settle()
    const sentAt = clock.mono()
    await store.take('acquire').land()
    store.hold('renew')
    for (let i = 0; i < 200 && !a.isLeader; i++) await clock.advance(10)
    expect(a.isLeader).toBe(true)
    expect((a.tenure?.remainingMs() ?? 0) + (clock.mono() - sentAt)).toBeLessThanOrEqual(3000 - 600)
    await Promise.all([a.stop(), clock.advance(3000)])
  })

  test('acquire, again and again: the holder is given back, and nobody is locked out for longer than a ttl', async () => {
    const clock = new ManualClock()
    const store = new Puppet(clock)
    const a = new Candidate({ election: 'e', store, clock, ...timing })
    a.on('trouble', () => {})
    store.hold('acquire')
    void a.start()
    await clock.settle()
    await store.take('acquire').land()
    await clock.advance(2500)
    store.hold()
    const b = rivalOf(store, clock)
    await b.start()
    for (let i = 0; i < 600 && !a.isLeader && !b.isLeader; i++) await clock.advance(10)
    expect(clock.mono() - 1000).toBeLessThanOrEqual(2500 + 3000)
    await Promise.all([a.stop(), b.stop()])
  })
})

test('D9: a slow candidate at margin 0 holds within the configured drift', async () => {
  // The candidate's clock runs 2 % slow against the store's: dangerous, and allowed for by `drift: 0.02`.
  const storeClock = new ManualClock()
  const slow = new ManualClock()
  const inner = memory({ clock: storeClock })
  for (const [drift, expected] of [
    [0.02, false],
    [0.005, true],
  ] as const) {
    const store = new Puppet(storeClock, inner)
    const a = new Candidate({ election: `at ${drift}`, store, clock: slow, ...timing, marginMs: 0, drift })
    a.on('trouble', () => {})
    await a.start()
    store.failing = () => new Error('cut')
    let overlap = false
    for (let i = 0; i < 400; i++) {
      storeClock.block(10)
      await slow.advance(10 * 0.98)
      const free = (await inner.read(`at ${drift}`, new AbortController().signal)) === undefined
      overlap ||= free && a.isLeader
    }
    expect(overlap, `drift ${drift}`).toBe(expected)
    await Promise.all([a.stop(), slow.advance(5000)])
  }
})

async function holderOf(store: Puppet): Promise<string> {
  return (await store.inner.read('e', new AbortController().signal))?.holder ?? ''
}
