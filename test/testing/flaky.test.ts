import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { Candidate, TenureError } from '../../src/index.ts'
import type { Bid, LeaseStore } from '../../src/store.ts'
import { memory } from '../../src/stores/memory.ts'
import { type CallFault, describeStore, type FlakyStore, flaky, ManualClock } from '../../src/testing/index.ts'

const clock = new ManualClock()
const shared = memory({ clock })
describeStore('a flaky store without a fault', {
  open: () => flaky(shared),
  elapse: (ms) => clock.advance(ms),
  runner: { describe, test },
})
describeStore('a flaky store that is only slow', {
  open: () => flaky(memoryInRealTime, { delayMs: 3 }),
  ttlMs: 200,
  runner: { describe, test },
})
const memoryInRealTime = memory()

const bid: Bid = { election: 'e', holder: 'h', candidate: 'c', ttlMs: 1000 }
const patience = () => new AbortController().signal

describe('what happens to one call', () => {
  test.each<[CallFault, 'rejects' | 'hangs', 'arrives' | 'does not arrive']>([
    ['refused', 'rejects', 'does not arrive'],
    ['reset', 'rejects', 'arrives'],
    ['request-lost', 'hangs', 'does not arrive'],
    ['answer-lost', 'hangs', 'arrives'],
  ])('%s: %s, and %s', async (fault, outcome, effect) => {
    const { store, inner, clock } = world()
    store.next(fault)
    const controller = new AbortController()
    const call = store.acquire(bid, controller.signal)
    let settled = false
    void call.catch(() => {}).finally(() => (settled = true))
    await clock.settle()
    expect(settled).toBe(outcome === 'rejects')
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'store-unreachable' })
    expect(await inner.read('e', patience())).toEqual(effect === 'arrives' ? expect.objectContaining({ holder: 'h' }) : undefined)
    // Only the next call was meant.
    expect(await store.acquire(bid, patience())).toMatchObject({ holder: 'h' })
  })

  test('hung: never settles, whatever its signal says', async () => {
    const { store, inner, clock } = world()
    store.next('hung', 'renew')
    await store.acquire(bid, patience())
    const controller = new AbortController()
    let settled = false
    void store.renew(bid, controller.signal).finally(() => (settled = true))
    controller.abort()
    await clock.advance(10_000)
    expect(settled).toBe(false)
    expect(await inner.read('e', patience())).toBeUndefined()
  })

  test('doubled: the second copy arrives after the first was answered, and nobody hears of it', async () => {
    const { store, inner, clock } = world()
    const arrived: string[] = []
    const { release } = inner
    inner.release = async (hold, signal) => {
      arrived.push('arrives')
      await new Promise<void>((resolve) => clock.timer(10, resolve))
      await release(hold, signal)
      arrived.push('is done')
      if (arrived.length > 2) throw new Error('already')
    }
    store.next('doubled', 'release')
    await Promise.all([store.release(bid, patience()), clock.advance(50)])
    expect(arrived).toEqual(['arrives', 'is done', 'arrives', 'is done'])
  })

  test('no call leaves a listener on its signal', async () => {
    const { store } = world()
    const signal = patience()
    await store.acquire(bid, signal)
    await store.read('e', signal)
    store.next('refused')
    await store.read('e', signal).catch(() => {})
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('a request whose caller gave up takes effect all the same', async () => {
    const { store, inner, clock } = world()
    store.delay(100)
    const controller = new AbortController()
    const call = store.acquire(bid, controller.signal)
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'store-unreachable', message: 'memory: acquire was aborted' })
    await clock.advance(100)
    expect(await inner.read('e', patience())).toMatchObject({ holder: 'h' })
  })
})

describe('the link', () => {
  test.each([
    ['both', undefined],
    ['requests', undefined],
    ['answers', 'h'],
  ] as const)('cut for %s: calls hang until they are aborted', async (what, holder) => {
    const { store, inner, clock } = world()
    store.cut(what)
    const controller = new AbortController()
    const call = store.acquire(bid, controller.signal)
    await clock.settle()
    expect((await inner.read('e', patience()))?.holder).toBe(holder)
    controller.abort()
    await expect(call).rejects.toBeInstanceOf(TenureError)
    store.heal()
    expect(await store.acquire(bid, patience())).toMatchObject({ holder: 'h' })
  })

  test('a cut loses the answer that is on its way', async () => {
    const { store, clock } = world()
    store.delay(50)
    const controller = new AbortController()
    const call = store.acquire(bid, controller.signal)
    let settled = false
    void call.catch(() => {}).finally(() => (settled = true))
    store.cut('answers')
    await clock.advance(200)
    store.heal()
    await clock.advance(200)
    expect(settled).toBe(false)
    controller.abort()
    await expect(call).rejects.toBeInstanceOf(TenureError)
  })

  test('stalled: nothing moves, and all of it moves on', async () => {
    const { store, inner, clock } = world()
    store.stall()
    const call = store.acquire(bid, patience())
    await clock.advance(5000)
    expect(await inner.read('e', patience())).toBeUndefined()
    store.heal()
    expect(await call).toMatchObject({ holder: 'h' })
  })

  test('down: calls and watches reject at once', async () => {
    const { store, clock } = world()
    const watch = store.watch?.('e', () => {}, patience())
    store.stall()
    const call = store.acquire(bid, patience())
    store.down()
    await expect(watch).rejects.toMatchObject({ code: 'store-unreachable', message: 'memory: the watch was lost' })
    await expect(store.read('e', patience())).rejects.toMatchObject({ message: 'memory: read was refused' })
    await expect(store.watch?.('e', () => {}, patience())).rejects.toMatchObject({ message: 'memory: watch was refused' })
    store.heal()
    await clock.settle()
    expect(await call).toMatchObject({ holder: 'h' })
  })

  test('down: what is on its way is reset', async () => {
    const { store, clock } = world()
    store.delay(50)
    const call = store.acquire(bid, patience())
    store.down()
    await Promise.all([expect(call).rejects.toThrow('memory: the connection was reset'), clock.advance(100)])
  })

  test('a watch is silent while the link is cut', async () => {
    const { store, inner, clock } = world()
    let calls = 0
    const controller = new AbortController()
    const watch = store.watch?.('e', () => (calls += 1), controller.signal)
    await clock.settle()
    expect(calls).toBe(1)
    store.cut()
    await inner.acquire(bid, patience())
    await clock.settle()
    expect(calls).toBe(1)
    store.heal()
    await inner.release(bid, patience())
    await clock.settle()
    expect(calls).toBe(2)
    controller.abort()
    await watch
  })
})

describe('the dice', () => {
  const chances = { refused: 0.2, reset: 0.2, doubled: 0.2 }

  test('the same seed has the same faults', async () => {
    const [one, two, other] = [await outcomes(7), await outcomes(7), await outcomes(8)]
    expect(one).toBe(two)
    expect(one).not.toBe(other)
    const rejected = one.split('x').length - 1
    expect(rejected).toBeGreaterThan(40)
    expect(rejected).toBeLessThan(130)
  })

  test('can be put away', async () => {
    const { store } = world({ chances: { refused: 1 } })
    await expect(store.read('e', patience())).rejects.toThrow('memory: read was refused')
    store.roll({})
    expect(await store.read('e', patience())).toBeUndefined()
    expect(store.counts).toMatchObject({ acquire: 0, renew: 0, release: 0, read: 2, list: 0 })
  })

  test('nonsense is refused', () => {
    expect(() => flaky(memory(), { chances: { hung: 2 } })).toThrow('Expected `chances.hung` to be a number from 0 to 1, got 2 (number)')
    expect(() => flaky(memory(), { chances: { hung: 0.6, reset: 0.6 } })).toThrow(
      'Expected `chances` to be at most 1 together, got 1.2 (number)',
    )
    expect(() => flaky(memory(), { delayMs: Number.NaN })).toThrow('Expected `delayMs` to be')
    expect(() => flaky(memory()).next('lost' as CallFault)).toThrow('Expected `fault` to be one of refused, reset')
  })

  async function outcomes(seed: number): Promise<string> {
    const { store } = world({ seed, chances })
    let text = ''
    for (let i = 0; i < 200; i++) {
      text += await store.read('e', patience()).then(
        () => '.',
        () => 'x',
      )
    }
    return text
  }
})

describe('a candidate behind a flaky link', () => {
  test('acquire applied but its answer lost: leads all the same, within a ttl, with the token it was given', async () => {
    const { store, inner, clock } = world()
    store.next('answer-lost', 'acquire')
    const candidate = new Candidate({ election: 'e', store, clock })
    candidate.on('trouble', () => {})
    const started = candidate.start()
    await clock.advance(15_000)
    await started
    expect(candidate.isLeader).toBe(true)
    expect(candidate.tenure?.fencingToken).toBe((await inner.read('e', patience()))?.fencingToken)
    await Promise.all([candidate.stop(), clock.advance(1000)])
  })

  test.each(['answer-lost', 'request-lost', 'reset'] as const)('release %s: nobody is locked out for longer than a ttl', async (fault) => {
    const { store, inner, clock } = world()
    const [a, b] = [new Candidate({ election: 'e', store, clock, id: 'a' }), new Candidate({ election: 'e', store: inner, clock, id: 'b' })]
    a.on('trouble', () => {})
    await a.start()
    await b.start()
    store.next(fault, 'release')
    await Promise.all([a.stop(), clock.advance(15_100)])
    expect(b.isLeader).toBe(true)
    await Promise.all([b.stop(), clock.advance(1000)])
    expect(clock.pending).toBe(0)
  })

  test('a client library that repeats a fifth of the requests has no effect', async () => {
    const { store, clock } = world({ chances: { doubled: 0.2 }, delayMs: 20, seed: 3 })
    const candidate = new Candidate({ election: 'e', store, clock, ttlMs: 3000 })
    let tenures = 0
    candidate.on('elected', () => (tenures += 1))
    const started = candidate.start()
    await clock.advance(100)
    await started
    const token = candidate.tenure?.fencingToken
    await clock.advance(300_000)
    expect([tenures, candidate.tenure?.fencingToken]).toEqual([1, token])
    await Promise.all([candidate.stop(), clock.advance(1000)])
  })
})

/** A link of its own to a store of its own, in a time of its own. */
function world(options: ConstructorParameters<typeof FlakyStore>[1] = {}) {
  const clock = new ManualClock()
  const inner: { -readonly [Key in keyof LeaseStore]: LeaseStore[Key] } = memory({ clock })
  return { clock, inner, store: flaky(inner, { clock, ...options }) }
}
