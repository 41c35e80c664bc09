/** Scenarios of `runOnce` about writes of the memo that land late, twice, last, or not at all. */

import { expect } from 'vitest'
import { TenureError } from '../../src/index.ts'
import type { Author, LeaseStore } from '../../src/store.ts'
import { elsewhere, here, type RunOnce, type Scenario, Stage } from './lab.ts'

/**
 * A server with a stalled member: a copy of each write of a memo stays there, and lands after those that came later, as
 * long as the store takes it. Of the first it has nothing but that copy where the request itself was `lost`.
 */
class Stalled {
  readonly copies: { readonly author: Author; readonly text: string }[] = []
  readonly #lost: boolean
  /** Lands what has stalled, the first write last. How many were taken. */
  land = async () => 0

  constructor(first: 'answered' | 'lost') {
    this.#lost = first === 'lost'
  }

  before(store: LeaseStore): LeaseStore {
    const { memo } = store
    if (!memo) throw new Error('no memo')
    this.land = async () => {
      let taken = 0
      for (const { author, text } of this.copies.toReversed()) {
        if (await memo.write(author, text, new AbortController().signal)) taken += 1
      }
      return taken
    }
    return {
      ...store,
      memo: {
        read: memo.read,
        write: async (author, text, signal) => {
          this.copies.push({ author, text })
          if (this.#lost && this.copies.length === 1) return new Promise(() => {})
          const written = await memo.write(author, text, signal)
          await this.land()
          return written
        },
      },
    }
  }
}

export const lateWrites: readonly Scenario[] = [
  ...(['answered', 'lost'] as const).map((first) => ({
    name: `what was done stays done, though the first memo.write lands last (its request was ${first})`,
    async plays(once: RunOnce) {
      const stalled = new Stalled(first)
      const stage = new Stage(once, (store) => stalled.before(store))
      expect(await stage.all([stage.caller(stage.takes(1000), { version: 7 })], 60_000)).toEqual([here])
      expect(await stage.all([stage.caller(stage.takes(1000), { version: 7 })], 60_000)).toEqual([elsewhere])
      // Under a later tenure: its lease is not given back, and all that ever stalled lands while it still lives.
      const link = stage.link()
      for (let i = 0; i < 20; i++) link.next('request-lost', 'release')
      const dying = stage.caller(stage.takes(1000), { version: 8 }, link)
      await stage.clock.advance(1500)
      expect(await stalled.land()).toBe(1)
      const next = [7, 8, 9].map((version) => stage.caller(stage.takes(1000), { version }))
      expect(await stage.all([dying, ...next])).toEqual([here, elsewhere, elsewhere, here])
      expect(await stalled.land()).toBe(0)
      for (const version of [7, 8, 9]) expect(await stage.all([stage.caller(stage.takes(1000), { version })])).toEqual([elsewhere])
      expect(stage.runs).toBe(3)
    },
  })),
  {
    name: 'the work begins although writes of the memo are mostly not answered, and some of them do not arrive',
    async plays(once) {
      for (const fault of ['request-lost', 'answer-lost', 'hung', 'refused', 'reset', 'doubled'] as const) {
        const stage = new Stage(once)
        const link = stage.link()
        for (let i = 0; i < 5; i++) link.next(fault, 'memo.write')
        const first = stage.caller(stage.takes(1000), { version: 1 }, link)
        const second = stage.caller(stage.takes(1000), { version: 1 }, link)
        const third = stage.caller(stage.takes(1000), { version: 1 }, link)
        const outcomes = await stage.all([first, second, third], 60_000)
        expect(outcomes).toEqual(expect.arrayContaining([here, elsewhere, elsewhere]))
        expect(stage.runs).toBe(1)
      }
    },
  },
  {
    name: 'rights are found missing before the work',
    async plays(once) {
      const denied = async () => {
        throw new TenureError('store-denied', 'memory: no rights')
      }
      const stage = new Stage(once, ({ memo, ...store }) => (memo ? { ...store, memo: { ...memo, write: denied } } : store))
      const calls = [1, 2].map((version) => stage.caller(stage.takes(1000), { version }))
      for (const thrown of await stage.all(calls, 60_000)) expect(thrown).toMatchObject({ code: 'store-denied' })
      expect(stage.runs).toBe(0)
    },
  },
]
