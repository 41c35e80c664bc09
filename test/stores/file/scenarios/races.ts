/** Who comes too late: writes from views that were old, whatever happened meanwhile. */

import { rm, unlink } from 'node:fs/promises'
import { expect } from 'vitest'
import type { Lease } from '../../../../src/store.ts'
import { inTheAir } from '../../../in-the-air.ts'
import { isOurs, patient } from '../bench.ts'
import { type Scenario, serve } from './scenario.ts'

export const races: readonly Scenario[] = [
  {
    name: 'two that saw the same free lease: one wins',
    async run(bench) {
      await serve(bench, bench.store())
      const one = bench.held('link')
      const two = bench.held('link')
      const bids = [bench.bid(), bench.bid()] as const
      const answers = [inTheAir(one.store.acquire(bids[0], patient)), inTheAir(two.store.acquire(bids[1], patient))]
      await Promise.all([one.gate.reached(), two.gate.reached()])
      one.gate.open()
      await answers[0]
      two.gate.open()
      const [first, second] = await Promise.all(answers)
      expect([isOurs(first, bids[0]), isOurs(second, bids[1])]).toEqual([true, false])
      expect(second?.holder).toBe(bids[0].holder)
    },
  },
  {
    name: 'twelve first bids on an empty directory, held up between list and link: one wins',
    async run(bench) {
      const all = Array.from({ length: 12 }, () => bench.held('link', (_, name) => name?.endsWith('.json') ?? false))
      const bids = all.map(() => bench.bid())
      const answers: Promise<Lease | undefined>[] = []
      for (const [i, { store, gate }] of all.entries()) {
        answers.push(inTheAir(store.acquire(bids[i] ?? bench.bid(), patient)))
        await gate.reached()
        await bench.clock.advance(1)
      }
      for (const [i, { gate }] of all.entries()) {
        gate.open()
        await answers[i]
      }
      const leases = await Promise.all(answers)
      expect(bids.filter((bid, i) => isOurs(leases[i], bid))).toHaveLength(1)
    },
  },
  {
    name: 'twelve first bids whose clocks differ, one after the other: one wins',
    async run(bench) {
      const winners: string[] = []
      for (let i = 0; i < 12; i++) {
        bench.clock.stepWall(i % 2 ? 5000 : -7000)
        const bid = bench.bid()
        if (isOurs(await bench.store().acquire(bid, patient), bid)) winners.push(bid.holder)
      }
      expect(winners).toHaveLength(1)
    },
  },
  {
    name: 'a first bid that slept until its number was used and cleaned up means nothing',
    async run(bench) {
      const late = bench.held('link', (_, name) => name?.endsWith('.json') ?? false)
      const bid = bench.bid()
      const answer = inTheAir(late.store.acquire(bid, patient))
      await late.gate.reached()
      const store = bench.store()
      for (let i = 0; i < 10; i++) await serve(bench, store)
      const leader = bench.bid()
      await store.acquire(leader, patient)
      late.gate.open()
      expect(isOurs(await answer, bid)).toBe(false)
      expect(isOurs(await bench.store().read('e', patient), leader)).toBe(true)
      expect(await store.renew(leader, patient)).toBe(500)
    },
  },
  {
    name: 'a bid that slept until its number was used and cleaned up means nothing',
    async run(bench) {
      const store = bench.store()
      for (let i = 0; i < 5; i++) await serve(bench, store)
      const late = bench.held('link')
      const bid = bench.bid()
      const answer = inTheAir(late.store.acquire(bid, patient))
      await late.gate.reached()
      for (let i = 0; i < 10; i++) await serve(bench, store)
      const leader = bench.bid()
      await store.acquire(leader, patient)
      late.gate.open()
      expect(isOurs(await answer, bid)).toBe(false)
      expect(await store.renew(leader, patient)).toBe(500)
    },
  },
  {
    name: 'a first bid that slept while its directory was removed and made anew means nothing',
    async run(bench) {
      const late = bench.held('write', (_, text) => text?.includes('"lease"') ?? false)
      const bid = bench.bid()
      const answer = inTheAir(late.store.acquire(bid, patient))
      await late.gate.reached()
      await rm(bench.path(), { recursive: true })
      await bench.clock.advance(50)
      const next = bench.held('link', (_, name) => name?.endsWith('.json') ?? false)
      const rival = bench.bid()
      const other = inTheAir(next.store.acquire(rival, patient))
      await next.gate.reached()
      late.gate.open()
      const lease = await answer
      next.gate.open()
      expect([isOurs(lease, bid), isOurs(await other, rival)].filter(Boolean)).toHaveLength(1)
    },
  },
  {
    name: 'a write on top of a version that has vanished means nothing',
    async run(bench) {
      await serve(bench, bench.store())
      const late = bench.held('link')
      const bid = bench.bid()
      const answer = inTheAir(late.store.acquire(bid, patient))
      await late.gate.reached()
      // Removed and made anew, and the clock was set back: no higher number is there to tell.
      for (const number of await bench.versions()) await unlink(bench.path('e', `${number}.json`))
      late.gate.open()
      expect(isOurs(await answer, bid)).toBe(false)
    },
  },
  {
    name: 'a listing that misses nothing: versions are read while others clean up',
    async run(bench) {
      const writer = bench.store()
      const bid = bench.bid()
      await writer.acquire(bid, patient)
      let done = false
      const readers = Array.from({ length: 4 }, async () => {
        const reader = bench.store()
        while (!done) expect((await reader.read('e', patient))?.holder).toBe(bid.holder)
      })
      for (let i = 0; i < 150; i++) expect(await writer.renew(bid, patient)).toBe(500)
      done = true
      await Promise.all(readers)
    },
  },
  {
    name: 'a renewal that comes after its successor is refused',
    async run(bench) {
      const { store, gate } = bench.held('link')
      gate.open()
      const bid = bench.bid()
      await store.acquire(bid, patient)
      const follower = bench.store()
      await follower.read('e', patient)
      await bench.clock.advance(450)
      gate.shut()
      const before = gate.count
      const renewal = inTheAir(store.renew(bid, patient))
      await gate.reached(before + 1)
      await bench.clock.advance(50)
      const rival = bench.bid()
      expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(true)
      gate.open()
      expect(await renewal).toBe(0)
      await store.release(bid, patient)
      expect(isOurs(await bench.store().read('e', patient), rival)).toBe(true)
    },
  },
]
