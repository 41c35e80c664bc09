/**
 * What `runOnce` promises, as scenarios that play on any implementation of it, so that planted faults meet them too.
 * Time is a manual clock; each caller has a link of its own to one store.
 */

import { expect } from 'vitest'
import type { Tenure } from '../../src/index.ts'
import { elsewhere, here, type RunOnce, type Scenario, Stage } from './lab.ts'
import { lateWrites } from './late-writes.ts'

const HOUR = 3_600_000

export const scenarios: readonly Scenario[] = [
  ...lateWrites,
  ...[undefined, 7].map((version) => ({
    name: `ten that call at once: one runs it, all resolve when it is done (${version === undefined ? 'no version' : 'a version'})`,
    async plays(once: RunOnce) {
      const stage = new Stage(once)
      const calls = Array.from({ length: 10 }, () => stage.caller(stage.takes(30_000), { version }))
      let settled = 0
      for (const call of calls) void call.then(() => settled++)
      await stage.clock.advance(29_000)
      expect(settled).toBe(0)
      const outcomes = await stage.all(calls, 20_000)
      expect(outcomes).toHaveLength(10)
      expect(outcomes.filter((outcome) => (outcome as { ran: boolean }).ran)).toEqual([here])
      expect(stage.runs).toBe(1)
    },
  })),
  {
    name: 'who calls while it runs shares the run; who calls after it runs it again, without a version',
    async plays(once) {
      const stage = new Stage(once)
      const first = stage.caller(stage.takes(20_000))
      await stage.clock.advance(15_000)
      const second = stage.caller(stage.takes(20_000))
      expect(await stage.all([first, second])).toEqual([here, elsewhere])
      expect(await stage.all([stage.caller(stage.takes(10))])).toEqual([here])
      expect(stage.runs).toBe(2)
    },
  },
  {
    name: 'a version that was done is not run again, a newer and an older one are, each once and never at the same time',
    async plays(once) {
      const stage = new Stage(once)
      const all = [7, 8, 6, 7, 8, 6].map((version) => stage.caller(stage.takes(20_000), { version }))
      await stage.all(all)
      expect(stage.runs).toBe(3)
      expect(stage.most).toBe(1)
      for (const version of [7, 8, 6]) expect(await stage.all([stage.caller(stage.takes(10), { version })])).toEqual([elsewhere])
      expect(await stage.all([stage.caller(stage.takes(10), { version: 9 })])).toEqual([here])
    },
  },
  {
    name: 'who waits resolves although somebody else has the word by then',
    async plays(once) {
      const stage = new Stage(once)
      const first = stage.caller(stage.takes(20_000), { version: 1 })
      await stage.clock.advance(10)
      const link = stage.link()
      const second = stage.caller(stage.takes(10), { version: 1 }, link)
      const third = stage.caller(stage.takes(10 * HOUR), { version: 2 })
      await stage.clock.advance(19_000)
      // The third is elected: the second is held up for a moment.
      for (let i = 0; i < 3; i++) link.next('refused', 'acquire')
      expect(await stage.all([first, second], 60_000)).toEqual([here, elsewhere])
      expect(stage.running).toBe(1)
      await stage.all([third], 11 * HOUR)
    },
  },
  {
    name: 'a runner that is cut off is replaced, what it comes to does not count, and its call resolves with that of the other',
    async plays(once) {
      const stage = new Stage(once)
      const link = stage.link()
      const first = stage.caller(stage.takes(40_000), { version: 1 }, link)
      await stage.clock.advance(1000)
      link.cut()
      const second = stage.caller(stage.takes(120_000), { version: 1 })
      await stage.clock.advance(60_000)
      expect(stage.runs).toBe(2)
      link.heal()
      const late = stage.caller(stage.takes(10), { version: 1 })
      let settled = 0
      for (const call of [first, late]) void call.then(() => settled++)
      await stage.clock.advance(30_000)
      expect(settled).toBe(0)
      expect(await stage.all([first, second, late])).toEqual([elsewhere, here, elsewhere])
      expect(stage.runs).toBe(2)
    },
  },
  {
    name: 'work that throws because its tenure ended did not fail',
    async plays(once) {
      const stage = new Stage(once)
      const link = stage.link()
      const work = (tenure: Tenure) =>
        new Promise<never>((_, reject) => tenure.signal.addEventListener('abort', () => reject(new Error('tenure lost'))))
      const first = stage.caller(work, {}, link)
      await stage.clock.advance(1000)
      link.cut()
      await stage.clock.advance(60_000)
      const second = stage.caller(stage.takes(30_000))
      await stage.clock.advance(1000)
      link.heal()
      expect(await stage.all([first, second])).toEqual([elsewhere, here])
    },
  },
  {
    name: 'work that throws rejects where it ran, with what it threw, and the next one runs it',
    async plays(once) {
      const stage = new Stage(once)
      const boom = new Error('boom')
      const failing = async () => {
        await stage.takes(1000)()
        throw boom
      }
      const first = stage.caller(failing, { version: 1 })
      await stage.clock.advance(100)
      const others = [1, 2].map(() => stage.caller(stage.takes(10), { version: 1 }))
      const [thrown, ...rest] = await stage.all([first, ...others], 60_000)
      expect(thrown).toBe(boom)
      expect(rest).toEqual(expect.arrayContaining([here, elsewhere]))
      expect(stage.runs).toBe(2)
    },
  },
  {
    name: 'work that throws everywhere rejects everywhere, and is tried once by each',
    async plays(once) {
      const stage = new Stage(once)
      const errors = [1, 2, 3].map((i) => new Error(`boom ${i}`))
      const calls = errors.map((error) => stage.caller(() => Promise.reject(error)))
      expect(await stage.all(calls, 120_000)).toEqual(errors)
      expect(stage.runs).toBe(3)
    },
  },
  {
    name: 'aborting the runner ends its work, and the next one runs it',
    async plays(once) {
      const stage = new Stage(once)
      const controller = new AbortController()
      let drained = false
      const work = async (tenure: Tenure) => {
        await tenure.sleep(HOUR)
        await stage.takes(5000)()
        drained = true
      }
      const first = stage.caller(work, { version: 1, signal: controller.signal })
      await stage.clock.advance(1000)
      const second = stage.caller(stage.takes(10), { version: 1 })
      await stage.clock.advance(1000)
      const reason = new Error('deployed anew')
      controller.abort(reason)
      const [thrown] = await stage.all([first], 60_000)
      expect(thrown).toBe(reason)
      expect(drained).toBe(true)
      expect(await stage.all([second], 60_000)).toEqual([here])
      expect(stage.most).toBe(1)
    },
  },
  {
    name: 'aborting one that waits changes nothing for the others; one that is aborted already asks nobody',
    async plays(once) {
      const stage = new Stage(once)
      const first = stage.caller(stage.takes(20_000))
      await stage.clock.advance(1000)
      const reason = new Error('enough')
      const controller = new AbortController()
      const second = stage.caller(stage.takes(10), { signal: controller.signal })
      await stage.clock.advance(1000)
      controller.abort(reason)
      const link = stage.link()
      const third = stage.caller(stage.takes(10), { signal: AbortSignal.abort(reason) }, link)
      expect(await stage.all([second, third], 10_000)).toEqual([reason, reason])
      expect(Object.values(link.counts).every((count) => count === 0)).toBe(true)
      expect(await stage.all([first])).toEqual([here])
      expect(stage.runs).toBe(1)
    },
  },
  {
    name: 'who has waited for long enough rejects; a run of its own may take longer',
    async plays(once) {
      const stage = new Stage(once)
      const first = stage.caller(stage.takes(60_000), { waitMs: 10_000 })
      await stage.clock.advance(1000)
      const second = stage.caller(stage.takes(10), { waitMs: 10_000 })
      await stage.clock.advance(9_900)
      expect(await Promise.race([second, Promise.resolve('waits')])).toBe('waits')
      const [thrown] = await stage.all([second], 5000)
      expect(thrown).toMatchObject({ code: 'not-done', message: '`x` was not done within 10000 ms' })
      expect(await stage.all([first])).toEqual([here])
      expect(stage.runs).toBe(1)
      await stage.clock.advance(0)
      expect(stage.clock.pending, 'timers of calls that are over').toBe(0)
    },
  },
  {
    name: 'whose own run was lost after the wait was over rejects',
    async plays(once) {
      const stage = new Stage(once)
      const link = stage.link()
      const first = stage.caller(stage.takes(60_000), { waitMs: 10_000 }, link)
      await stage.clock.advance(1000)
      link.cut()
      const [thrown] = await stage.all([first], 5 * 60_000)
      expect(thrown).toMatchObject({ code: 'not-done' })
    },
  },
  {
    name: 'a run whose end could not be noted is not done',
    async plays(once) {
      const stage = new Stage(once)
      const link = stage.link()
      const first = stage.caller(() => link.cut('requests'), { version: 1 }, link)
      await stage.clock.advance(5000)
      const second = stage.caller(stage.takes(10), { version: 1 })
      expect(await stage.all([second], 60_000)).toEqual([here])
      link.heal()
      expect(await stage.all([first], 60_000)).toEqual([elsewhere])
      expect(stage.runs).toBe(2)
    },
  },
]

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => Promise.reject(new Error(`Expected a rejection, got ${JSON.stringify(value)}`)),
    (thrown: unknown) => thrown,
  )
}
