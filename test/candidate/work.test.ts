/** Work: A8, B7, B8, and lead(). */

import { describe, expect, test } from 'vitest'
import { Candidate, lead, type Tenure, type TenureError, type Work } from '../../src/index.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { Puppet } from './puppet.ts'

function world(work?: Work, over: object = {}) {
  const clock = new ManualClock()
  const store = new Puppet(clock)
  const a = new Candidate({ election: 'e', store, clock, ttlMs: 3000, work, ...over })
  const log: string[] = []
  const troubles: TenureError[] = []
  a.on('elected', () => log.push('elected'))
  a.on('deposed', (_, why) => log.push(`deposed ${why}`))
  a.on('stopped', () => log.push('stopped'))
  a.on('trouble', (error) => troubles.push(error))
  const leaseHeld = async () => (await store.inner.read('e', new AbortController().signal)) !== undefined
  return { clock, store, a, log, troubles, leaseHeld }
}

/** Work that ends when it is told to, whatever its signal says. */
function stubborn() {
  const runs: { tenure: Tenure; end: (error?: Error) => void }[] = []
  const work: Work = (tenure) =>
    new Promise<void>((resolve, reject) => {
      runs.push({ tenure, end: (error) => (error ? reject(error) : resolve()) })
    })
  return { runs, work }
}

describe('A8: work', () => {
  test('starts with the tenure, and is awaited before anything else', async () => {
    const { runs, work } = stubborn()
    const { clock, a, log, leaseHeld } = world(work)
    await a.start()
    expect(runs).toHaveLength(1)
    expect(runs[0]?.tenure.held).toBe(true)
    const stopped = a.stop()
    expect(runs[0]?.tenure.signal.aborted).toBe(true)
    expect(runs[0]?.tenure.held).toBe(false)
    await clock.advance(5000)
    expect(log).toEqual(['elected', 'deposed stopped'])
    expect(await leaseHeld()).toBe(true)
    runs[0]?.end()
    await stopped
    expect(log).toEqual(['elected', 'deposed stopped', 'stopped'])
    expect(await leaseHeld()).toBe(false)
  })

  test('that throws steps down, is reported, and stands again after a growing pause', async () => {
    const starts: number[] = []
    const { clock, a, log, troubles } = world(() => {
      starts.push(clock.mono())
      throw new Error('boom')
    })
    await a.start()
    await clock.advance(20_000)
    expect(starts.length).toBeGreaterThan(3)
    expect(log.slice(0, 2)).toEqual(['elected', 'deposed work-failed'])
    expect(troubles[0]).toMatchObject({ code: 'work-failed', message: expect.stringContaining('boom') })
    const pauses = starts.slice(1).map((at, i) => at - (starts[i] ?? 0))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(500)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(3100)
    await a.stop()
  })

  test('that rejects after its signal was aborted did not fail', async () => {
    const { runs, work } = stubborn()
    const { clock, a, troubles } = world(work)
    await a.start()
    const stopped = a.stop()
    runs[0]?.end(new Error('AbortError'))
    await clock.settle()
    await stopped
    expect(troubles).toEqual([])
  })

  test('that returns keeps the role; it may step down itself', async () => {
    const { clock, a, log } = world(() => 'done')
    await a.start()
    await clock.advance(20_000)
    expect(a.isLeader).toBe(true)
    await a.stop()
    expect(log).toEqual(['elected', 'deposed stopped', 'stopped'])

    const own = world((tenure) => void tenure.stepDown({ cooldownMs: 60_000 }))
    await own.a.start()
    await own.clock.advance(10)
    expect(own.a.isLeader).toBe(false)
    expect(own.log).toEqual(['elected', 'deposed stepped-down'])
    await own.a.stop()
  })

  test('the next tenure never begins before the work of the last has settled', async () => {
    const { runs, work } = stubborn()
    const { clock, store, a } = world(work)
    await a.start()
    store.failing = () => new Error('down')
    await clock.advance(3000)
    store.failing = undefined
    await clock.advance(10_000)
    expect(runs).toHaveLength(1)
    expect(a.isLeader).toBe(false)
    runs[0]?.end()
    await clock.advance(3000)
    expect(runs).toHaveLength(2)
    expect(runs[1]?.tenure.fencingToken).toBeGreaterThan(runs[0]?.tenure.fencingToken ?? 0)
    const stopped = a.stop()
    runs[1]?.end()
    await stopped
  })

  test('is not begun for a tenure that a listener has ended, or that has expired meanwhile', async () => {
    let begun = 0
    const { a, clock } = world(() => void begun++)
    const off = a.on('elected', () => void a.stepDown({ cooldownMs: 0 }))
    await a.start()
    await clock.settle()
    expect(begun).toBe(0)
    off()
    a.on('elected', () => clock.block(9000))
    await clock.advance(20)
    expect(begun).toBe(0)
    await a.stop()
  })
})

test('B7: work that drains for four ttl is kept under the lease, and nobody else leads meanwhile', async () => {
  const { runs, work } = stubborn()
  const { clock, store, a } = world(work)
  const b = new Candidate({ election: 'e', store: store.inner, clock, ttlMs: 3000 })
  await a.start()
  await b.start()
  const down = a.stepDown()
  for (let i = 0; i < 120; i++) {
    await clock.advance(100)
    expect(b.isLeader).toBe(false)
    // What a last write looks at goes on being renewed.
    expect(runs[0]?.tenure.remainingMs()).toBeGreaterThan(0)
  }
  runs[0]?.end()
  await down
  await clock.advance(50)
  expect(b.isLeader).toBe(true)
  expect(runs[0]?.tenure.remainingMs()).toBe(0)
  await Promise.all([a.stop(), b.stop()])
})

describe('B8: work that never settles', () => {
  test('is reported as overrun; the lease is left to lapse, not released', async () => {
    const { runs, work } = stubborn()
    const { clock, store, a, troubles, leaseHeld } = world(work, { drainMs: 6000 })
    await a.start()
    let stopped = false
    const stop = a.stop().then(() => {
      stopped = true
    })
    await clock.advance(5990)
    expect([stopped, troubles.length]).toEqual([false, 0])
    await clock.advance(20)
    await stop
    expect(troubles.map((error) => error.code)).toEqual(['work-overran'])
    expect(store.counts.release).toBe(0)
    expect(clock.pending).toBe(0)
    await clock.advance(3000)
    expect(await leaseHeld()).toBe(false)
    // It stands again only when the work has settled.
    const started = a.start()
    await clock.advance(10_000)
    expect(a.isLeader).toBe(false)
    runs[0]?.end()
    await clock.advance(100)
    await started
    expect(a.isLeader).toBe(true)
    const again = a.stop()
    runs[1]?.end()
    await again
  })

  test('awaiting stop inside the work ends with an overrun, never in a deadlock', async () => {
    const { clock, a, troubles } = world(async () => a.stop())
    await a.start()
    await clock.advance(15_100)
    await clock.settle()
    expect(troubles.map((error) => error.code)).toEqual(['work-overran'])
    await clock.advance(5000)
    expect(clock.pending).toBe(0)
  })
})

describe('a tenure', () => {
  test('sleeps, and is woken by its end', async () => {
    const { clock, a } = world()
    await a.start()
    const tenure = a.tenure as Tenure
    const results: boolean[] = []
    void tenure.sleep(1000).then((held) => results.push(held))
    await clock.advance(1000)
    expect(results).toEqual([true])
    void tenure.sleep(1e12).then((held) => results.push(held))
    await clock.settle()
    await a.stop()
    await clock.settle()
    expect(results).toEqual([true, false])
    expect(await tenure.sleep(1000)).toBe(false)
    expect(clock.pending).toBe(0)
  })

  test('has a signal that the platform accepts', async () => {
    const { a } = world()
    await a.start()
    const signal = (a.tenure as Tenure).signal
    expect(signal).toBeInstanceOf(AbortSignal)
    const any = AbortSignal.any([signal])
    await a.stop()
    expect(any.aborted).toBe(true)
    await expect(fetch('http://127.0.0.1:1', { signal })).rejects.toMatchObject({ code: 'not-held' })
    expect(() => signal.throwIfAborted()).toThrow(/ended: stopped/)
  })
})

describe('lead', () => {
  const options = () => {
    const clock = new ManualClock()
    return { clock, store: new Puppet(clock), ttlMs: 3000 }
  }

  test('waits, works, gives back, and resolves with what the work returned', async () => {
    const { clock, store, ttlMs } = options()
    const value = await lead('e', (tenure) => tenure.fencingToken > 0 && 'done', { clock, store, ttlMs })
    expect(value).toBe('done')
    expect(await store.inner.read('e', new AbortController().signal)).toBeUndefined()
    expect(clock.pending).toBe(0)
  })

  test('goes again when the tenure ends first, or the work throws', async () => {
    const { clock, store, ttlMs } = options()
    let runs = 0
    const troubles: string[] = []
    const done = lead(
      'e',
      async (tenure) => {
        runs += 1
        if (runs === 1) {
          store.failing = () => new Error('down')
          while (await tenure.sleep(100));
          store.failing = undefined
          return 'too late'
        }
        if (runs === 2) throw new Error('boom')
        return 'third'
      },
      { clock, store, ttlMs, onTrouble: (error) => troubles.push(error.code) },
    )
    await clock.advance(30_000)
    expect(await done).toBe('third')
    expect(troubles).toContain('work-failed')
  })

  test('an aborted signal is the graceful end: drains, releases, resolves with undefined', async () => {
    const { clock, store, ttlMs } = options()
    const controller = new AbortController()
    let drained = false
    const done = lead(
      'e',
      async (tenure) => {
        while (await tenure.sleep(100));
        drained = true
        return 1
      },
      { clock, store, ttlMs, signal: controller.signal },
    )
    await clock.advance(1000)
    controller.abort()
    expect(await done).toBeUndefined()
    expect(drained).toBe(true)
    expect(await lead('e', () => 1, { clock, store, signal: controller.signal })).toBeUndefined()
  })

  test('whose signal is aborted in the same turn ends, and nobody has been asked', async () => {
    const { clock, store } = world()
    const controller = new AbortController()
    const ended = lead('e', () => 1, { clock, store, signal: controller.signal })
    controller.abort()
    await clock.advance(60_000)
    expect(await ended).toBeUndefined()
    expect(clock.pending).toBe(0)
  })

  test('rejects for bad options and for a store that refuses to serve', async () => {
    const { clock, store } = options()
    await expect(lead('', () => 1, { store, clock })).rejects.toThrow(/`election`/)
    // @ts-expect-error: the work is missing
    await expect(lead('e', undefined, { store, clock })).rejects.toThrow(/`work`.*function/)
    store.failing = () => Object.assign(new Error('never'), {})
    const { TenureError } = await import('../../src/index.ts')
    store.failing = () => new TenureError('store-denied', 'wrong password')
    await expect(lead('e', () => 1, { store, clock })).rejects.toMatchObject({ code: 'store-denied' })
  })
})
