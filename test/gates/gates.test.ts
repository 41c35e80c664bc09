import { describe, expect, expectTypeOf, test } from 'vitest'
import { Failover, inProcessBus } from '../../src/failover.ts'
import { onlyLeader, refusal } from '../../src/gates.ts'
import { Candidate, type Tenure } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'

async function two() {
  const clock = new ManualClock()
  const store = memory({ clock })
  const stand = async (id: string, advert?: string) => {
    const candidate = new Candidate({ election: 'x', store, id, clock, advert })
    await Promise.all([candidate.start(), clock.advance(0)])
    return candidate
  }
  const a = await stand('a', 'http://10.0.0.1:8080')
  const b = await stand('b')
  return { clock, a, b, end: () => Promise.all([a.stop(), b.stop(), clock.advance(1000)]) }
}

describe('onlyLeader', () => {
  test('runs while the candidate leads, with its tenure and the arguments of the call', async () => {
    const { a, b, end } = await two()
    const calls: unknown[] = []
    const fn = (tenure: Tenure, ...args: [number, string]) => {
      calls.push([tenure, ...args])
      return args[0] + 1
    }
    expect(onlyLeader(a, fn)(1, 'one')).toBe(2)
    expect(onlyLeader(b, fn)(1, 'one')).toBeUndefined()
    expect(calls).toEqual([[a.tenure, 1, 'one']])
    expectTypeOf(onlyLeader(a, fn)).toEqualTypeOf<(...args: [number, string]) => number | undefined>()
    await end()
  })

  test('asks at each call: a process that was blocked for longer than its lease runs nothing', async () => {
    const { a, b, clock, end } = await two()
    let runs = 0
    const job = onlyLeader(a, () => ++runs)
    job()
    clock.block(60_000)
    expect(job()).toBeUndefined()
    expect(runs).toBe(1)
    await clock.advance(60_000)
    expect([onlyLeader(a, () => true)(), onlyLeader(b, () => true)()].filter(Boolean)).toHaveLength(1)
    await end()
  })

  test('gated work in two hundred workers runs in one', async () => {
    const clock = new ManualClock()
    const store = memory({ clock })
    const workers = Array.from({ length: 200 }, () => new Candidate({ election: 'x', store, clock }))
    await Promise.all([...workers.map((worker) => worker.start()), clock.advance(10)])
    let runs = 0
    const jobs = workers.map((worker) => onlyLeader(worker, () => ++runs))
    for (let minute = 1; minute <= 5; minute++) {
      for (const job of jobs) job()
      expect(runs).toBe(minute)
      // Whoever ran it leaves, and another has the next.
      const leader = workers.find(({ isLeader }) => isLeader)
      await Promise.all([leader?.stop(), clock.advance(60_000)])
    }
    await Promise.all([...workers.map((worker) => worker.stop()), clock.advance(60_000)])
  })

  test('what it throws is the caller’s', async () => {
    const { a, end } = await two()
    const boom = new Error('boom')
    await expect(onlyLeader(a, () => Promise.reject(boom))()).rejects.toBe(boom)
    expect(() =>
      onlyLeader(a, () => {
        throw boom
      })(),
    ).toThrow(boom)
    await end()
  })

  test('refuses what is no candidate, and no function', async () => {
    expect(() => onlyLeader({ isLeader: true } as never, () => 1)).toThrow(
      'Expected `candidate` to be an object with the methods start, stop, stepDown, got an object',
    )
    const { a, end } = await two()
    expect(() => onlyLeader(a, undefined as never)).toThrow('Expected `fn` to be a function, got null')
    await end()
  })
})

test('a failover may be asked as well', async () => {
  const clock = new ManualClock()
  const parts = { election: 'x', arbiter: memory({ clock }), bus: inProcessBus(), clock, onPromote() {}, onDemote() {} }
  const a = new Failover({ ...parts, id: 'a', advert: 'http://10.0.0.1:8080' })
  const b = new Failover({ ...parts, id: 'b' })
  await Promise.all([a.start(), clock.advance(10)])
  await Promise.all([b.start(), clock.advance(10)])
  expect([a.role, b.role]).toEqual(['primary', 'secondary'])
  expect([refusal(a), onlyLeader(a, ({ fencingToken }) => fencingToken)()]).toEqual([undefined, a.tenure?.fencingToken])
  expect(refusal(b)?.body).toEqual({ error: 'not-leader', election: 'x', leader: 'a', address: 'http://10.0.0.1:8080' })
  expect(onlyLeader(b, () => 1)()).toBeUndefined()
  clock.block(60_000)
  // Nobody is sent to itself.
  expect(refusal(a)?.body).toMatchObject({ leader: null })
  await Promise.all([a.stop(), b.stop(), clock.advance(60_000)])
})

test('what looks like neither is refused', () => {
  const other = { start() {}, stop() {}, stepDown() {} }
  expect(() => refusal(other as never)).toThrow('Expected `candidate`')
})

describe('refusal', () => {
  test('there is none while the candidate leads; otherwise it tells who leads, and where', async () => {
    const { a, b, clock, end } = await two()
    expect(refusal(a)).toBeUndefined()
    expect(refusal(b)).toEqual({
      status: 503,
      headers: { 'retry-after': '1', 'cache-control': 'no-store' },
      body: { error: 'not-leader', election: 'x', leader: 'a', address: 'http://10.0.0.1:8080' },
    })
    await Promise.all([a.stop(), clock.advance(1000)])
    expect(refusal(b)).toBeUndefined()
    // One that has stopped knows of nobody.
    expect(refusal(a)?.body).toMatchObject({ leader: null, address: null })
    await end()
  })

  test('one that was blocked does not send anybody to itself', async () => {
    const { a, clock, end } = await two()
    clock.block(60_000)
    expect(refusal(a)?.body).toMatchObject({ leader: null, address: null })
    await clock.advance(1000)
    await end()
  })
})
