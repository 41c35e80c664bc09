import { describe, expect, test } from 'vitest'
import { Candidate, TenureError } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { Puppet } from './puppet.ts'

function world() {
  const clock = new ManualClock()
  const store = new Puppet(clock)
  const candidate = (over: object = {}) => new Candidate({ election: 'e', store, clock, ttlMs: 3000, ...over })
  return { clock, store, candidate }
}

describe('A1: a candidate alone', () => {
  test('stop before start is quiet', async () => {
    const { candidate } = world()
    const events: string[] = []
    const a = candidate()
    a.on('stopped', () => events.push('stopped'))
    await a.stop()
    expect(events).toEqual([])
  })

  test('leads by the time start resolves, and still after many ttl', async () => {
    const { clock, candidate } = world()
    const a = candidate()
    await a.start()
    expect(a.isLeader).toBe(true)
    const token = a.tenure?.fencingToken
    await clock.advance(30_000)
    expect(a.isLeader).toBe(true)
    expect(a.tenure?.fencingToken).toBe(token)
    await a.stop()
  })

  test('a second start changes nothing; a second stop is quiet; after stop it can start again, with a larger token', async () => {
    const { store, candidate } = world()
    const a = candidate()
    const events: string[] = []
    a.on('elected', (tenure) => events.push(`elected ${tenure.fencingToken > 0}`))
    a.on('stopped', () => events.push('stopped'))
    await Promise.all([a.start(), a.start()])
    await a.start()
    expect(store.counts.acquire).toBe(1)
    const token = a.tenure?.fencingToken ?? 0
    await Promise.all([a.stop(), a.stop()])
    await a.stop()
    expect(a.isLeader).toBe(false)
    expect(a.tenure).toBeUndefined()
    await a.start()
    expect(a.isLeader).toBe(true)
    expect(a.tenure?.fencingToken).toBeGreaterThan(token)
    await a.stop()
    expect(events).toEqual(['elected true', 'stopped', 'elected true', 'stopped'])
  })

  test('B14: after stop no timer is left and nothing more is asked', async () => {
    const { clock, store, candidate } = world()
    const a = candidate()
    await a.start()
    await clock.advance(5000)
    await a.stop()
    const before = { ...store.counts }
    expect(clock.pending).toBe(0)
    await clock.advance(60_000)
    expect(store.counts).toEqual(before)
  })
})

test('A2: with A leading B follows without an error, and leads at once when A stops', async () => {
  const { clock, candidate } = world()
  const a = candidate({ ttlMs: 30_000 })
  const b = candidate({ ttlMs: 30_000 })
  const troubles: unknown[] = []
  b.on('trouble', (error) => troubles.push(error))
  await a.start()
  await b.start()
  expect([a.isLeader, b.isLeader]).toEqual([true, false])
  await clock.advance(100)
  await a.stop()
  await clock.advance(10)
  expect(b.isLeader).toBe(true)
  expect(troubles).toEqual([])
  await b.stop()
})

test('A23: a second candidate with the same id is elected anew, never silently adopted', async () => {
  const { clock, candidate } = world()
  const a = candidate({ id: 'same' })
  await a.start()
  const token = a.tenure?.fencingToken ?? 0
  const b = candidate({ id: 'same' })
  let elected = 0
  b.on('elected', (tenure) => {
    elected = tenure.fencingToken
  })
  await b.start()
  expect(b.isLeader).toBe(false)
  await a.stop()
  await clock.advance(3000)
  expect(elected).toBeGreaterThan(token)
  await b.stop()
})

describe('start', () => {
  test.each(['store-denied', 'store-unfit'] as const)('rejects, and does not stand, when the first answer is %s', async (code) => {
    const { clock, store, candidate } = world()
    const a = candidate()
    store.failing = () => new TenureError(code, 'no')
    await expect(a.start()).rejects.toMatchObject({ code })
    const before = store.counts.acquire
    await clock.advance(60_000)
    expect(store.counts.acquire).toBe(before)
    expect(clock.pending).toBe(0)
    store.failing = undefined
    await a.start()
    expect(a.isLeader).toBe(true)
    await a.stop()
  })

  test('resolves when the store is unreachable, goes on trying, and leads when it is back', async () => {
    const { clock, store, candidate } = world()
    const a = candidate()
    const codes: string[] = []
    a.on('trouble', (error) => codes.push(error.code))
    store.failing = () => new Error('connection refused')
    await a.start()
    expect(a.isLeader).toBe(false)
    await clock.advance(600_000)
    expect(new Set(codes)).toEqual(new Set(['store-unreachable']))
    store.failing = undefined
    // B15: within the back-off reached, at most a ttl.
    await clock.advance(3000 + 10)
    expect(a.isLeader).toBe(true)
    await a.stop()
  })

  test('is resolved by a stop that comes first, and cancelled by one that comes while it waits', async () => {
    const { clock, store, candidate } = world()
    store.hold('acquire')
    const a = candidate()
    const started = a.start()
    await clock.settle()
    const stopped = a.stop()
    const again = a.start()
    const stoppedAgain = a.stop()
    await store.take('acquire').answer()
    await Promise.all([started, stopped, again, stoppedAgain])
    expect(a.isLeader).toBe(false)
    expect(store.counts.acquire).toBe(1)
    expect(store.counts.release).toBe(1)
    expect(await store.inner.read('e', new AbortController().signal)).toBeUndefined()
  })
})

describe('stop', () => {
  test('releases a win that comes late', async () => {
    const { clock, store, candidate } = world()
    store.hold('acquire')
    const a = candidate()
    void a.start()
    await clock.settle()
    const trip = store.take('acquire')
    const stopped = a.stop()
    await clock.advance(600)
    expect(trip.signal.aborted).toBe(true)
    await stopped
    // Lands, and is answered, after everybody has gone home.
    await trip.answer()
    await clock.settle()
    expect(a.isLeader).toBe(false)
    expect(await store.inner.read('e', new AbortController().signal)).toBeUndefined()
  })

  test('is bounded when the store hangs', async () => {
    const { clock, store, candidate } = world()
    const a = candidate()
    a.on('trouble', () => {})
    await a.start()
    store.hold('acquire', 'renew', 'release', 'read')
    let stopped = false
    void a.stop().then(() => {
      stopped = true
    })
    await clock.advance(1000)
    expect(stopped).toBe(true)
    expect(clock.pending).toBe(0)
  })

  test('by the signal option; a signal that is aborted already means not to stand', async () => {
    const { clock, store, candidate } = world()
    const controller = new AbortController()
    const a = candidate({ signal: controller.signal })
    await a.start()
    expect(a.isLeader).toBe(true)
    controller.abort()
    expect(a.isLeader).toBe(false)
    await clock.settle()
    expect(await store.inner.read('e', new AbortController().signal)).toBeUndefined()
    await a.start()
    expect(a.isLeader).toBe(false)
    expect(store.counts.acquire).toBe(1)
  })

  test('inputs raised while an effect is performed queue: an abort listener may call stop', async () => {
    const { clock, candidate } = world()
    const a = candidate()
    await a.start()
    let stopped: Promise<void> | undefined
    a.tenure?.signal.addEventListener('abort', () => {
      stopped = a.stop()
      expect(a.isLeader).toBe(false)
    })
    await a.stepDown()
    await stopped
    await clock.advance(10_000)
    expect(a.isLeader).toBe(false)
    expect(clock.pending).toBe(0)
  })

  test('await using stops it', async () => {
    const { candidate } = world()
    let outside: Candidate
    {
      await using a = candidate()
      outside = a
      await a.start()
      expect(a.isLeader).toBe(true)
    }
    expect(outside.isLeader).toBe(false)
  })
})

describe('stepDown', () => {
  test('hands over, stands aside for the cool-down, and is a candidate again; its own release does not undo it', async () => {
    const { clock, candidate } = world()
    const a = candidate()
    await a.start()
    await clock.advance(50)
    await a.stepDown({ cooldownMs: 10_000 })
    expect(a.isLeader).toBe(false)
    await clock.advance(9_900)
    expect(a.isLeader).toBe(false)
    await clock.advance(3_000)
    expect(a.isLeader).toBe(true)
    await a.stop()
  })

  test('does nothing while following, and refuses a bad cool-down', async () => {
    const { candidate } = world()
    const a = candidate()
    await a.stepDown()
    await expect(a.stepDown({ cooldownMs: -1 })).rejects.toThrow(/`cooldownMs`.*at least 0, got -1 \(number\)/)
  })

  test('while standing aside it still sees who leads', async () => {
    const { clock, candidate } = world()
    const a = candidate()
    const b = candidate({ id: 'b' })
    await a.start()
    await b.start()
    await clock.advance(50)
    await a.stepDown({ cooldownMs: 20_000 })
    await clock.advance(50)
    expect(b.isLeader).toBe(true)
    expect(a.leader).toMatchObject({ candidate: 'b', isMe: false })
    await Promise.all([a.stop(), b.stop()])
  })
})

test('A12: two hundred candidates on one election: exactly one leads; elections are independent; all stopped: none', async () => {
  const clock = new ManualClock()
  const store = memory({ clock })
  const all = Array.from({ length: 200 }, (_, i) => new Candidate({ election: i < 100 ? 'one' : 'two', store, clock, ttlMs: 3000 }))
  await Promise.all(all.map((candidate) => candidate.start()))
  for (let i = 0; i < 10; i++) {
    await clock.advance(700)
    expect(all.slice(0, 100).filter((candidate) => candidate.isLeader)).toHaveLength(1)
    expect(all.slice(100).filter((candidate) => candidate.isLeader)).toHaveLength(1)
  }
  await Promise.all(all.map((candidate) => candidate.stop()))
  expect(all.filter((candidate) => candidate.isLeader)).toHaveLength(0)
  expect(clock.pending).toBe(0)
})

test('B13: two hundred candidates that see the same release need few calls each', async () => {
  const clock = new ManualClock()
  const store = new Puppet(clock)
  const all = Array.from({ length: 200 }, () => new Candidate({ election: 'e', store, clock, ttlMs: 30_000 }))
  await Promise.all(all.map((candidate) => candidate.start()))
  await clock.advance(1000)
  const before = store.counts.acquire
  await all.find((candidate) => candidate.isLeader)?.stop()
  await clock.advance(50)
  expect(all.filter((candidate) => candidate.isLeader)).toHaveLength(1)
  expect(store.counts.acquire - before).toBeLessThanOrEqual(3 * 199)
  await Promise.all(all.map((candidate) => candidate.stop()))
})
