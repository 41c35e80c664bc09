/** When a lease is over for those who only watch it. */

import { rm } from 'node:fs/promises'
import { expect } from 'vitest'
import { inTheAir } from '../../../in-the-air.ts'
import { isFree, isOurs, patient } from '../bench.ts'
import { type Scenario, serve } from './scenario.ts'

export const observation: readonly Scenario[] = [
  {
    name: 'a wall clock that is stepped ends no lease',
    async run(bench) {
      const bid = bench.bid()
      await bench.store().acquire(bid, patient)
      const follower = bench.store()
      await follower.read('e', patient)
      bench.clock.stepWall(3_600_000)
      expect((await follower.read('e', patient))?.holder).toBe(bid.holder)
      bench.clock.stepWall(-7_200_000)
      expect((await follower.read('e', patient))?.holder).toBe(bid.holder)
      await bench.clock.advance(500)
      expect(isFree(await follower.read('e', patient))).toBe(true)
    },
  },
  {
    name: 'a lease is watched from when its read returned, not from when it was asked for',
    async run(bench) {
      const leader = bench.store()
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      const { store, gate } = bench.held('list')
      const look = inTheAir(store.read('e', patient))
      await gate.reached()
      await bench.clock.advance(300)
      await leader.renew(bid, patient)
      gate.open()
      await look
      await bench.clock.advance(450)
      const rival = bench.bid()
      expect(isOurs(await store.acquire(rival, patient), rival)).toBe(false)
      expect(isOurs(await leader.acquire(bid, patient), bid)).toBe(true)
      await bench.clock.advance(50)
      expect(isOurs(await store.acquire(rival, patient), rival)).toBe(true)
    },
  },
  {
    name: 'each renewal is seen, and starts the wait of everybody anew',
    async run(bench) {
      const leader = bench.store()
      const follower = bench.store()
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      for (let i = 0; i < 5; i++) {
        expect((await follower.read('e', patient))?.remainingMs).toBe(500)
        await bench.clock.advance(400)
        expect(await leader.renew(bid, patient)).toBe(500)
        const rival = bench.bid()
        expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(false)
      }
    },
  },
  {
    name: 'the same number in a directory made anew is another version',
    async run(bench) {
      const bid = bench.bid()
      await bench.store().acquire(bid, patient)
      const follower = bench.store()
      await follower.read('e', patient)
      const [number] = await bench.versions()
      await bench.clock.advance(490)
      await rm(bench.path(), { recursive: true })
      bench.clock.stepWall(-490)
      const next = bench.bid()
      expect(isOurs(await bench.store().acquire(next, patient), next)).toBe(true)
      expect(await bench.versions()).toEqual([number])
      await bench.clock.advance(20)
      const rival = bench.bid()
      expect((await follower.acquire(rival, patient))?.holder).toBe(next.holder)
    },
  },
  {
    name: 'who has seen a holder waits out its ttl when the chain vanishes; who has not bids at once',
    async run(bench) {
      const leader = bench.store()
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      const follower = bench.store()
      await follower.read('e', patient)
      await bench.clock.advance(100)
      await rm(bench.path(), { recursive: true })
      expect(await leader.renew(bid, patient)).toBe(0)
      const rival = bench.bid()
      const waiting = await follower.acquire(rival, patient)
      expect([waiting?.holder, waiting?.remainingMs]).toEqual([bid.holder, 400])
      // Somebody who knew of nobody comes and goes: that changes nothing for those who wait.
      await serve(bench, bench.store())
      expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(false)
      await bench.clock.advance(400)
      expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(true)
    },
  },
  {
    name: 'a leader whose chain vanished bids anew when it has given up',
    async run(bench) {
      const leader = bench.store()
      const bid = bench.bid()
      const first = await leader.acquire(bid, patient)
      await rm(bench.path(), { recursive: true })
      bench.clock.stepWall(-1_000_000)
      expect(await leader.renew(bid, patient)).toBe(0)
      expect(isOurs(await leader.acquire(bid, patient), bid)).toBe(false)
      await leader.release(bid, patient)
      const next = bench.bid()
      const second = await leader.acquire(next, patient)
      expect(isOurs(second, next)).toBe(true)
      expect(second?.fencingToken).toBeGreaterThan(first?.fencingToken ?? Number.NaN)
    },
  },
  {
    name: 'a lease that ended for its holder first is renewed by nobody',
    async run(bench) {
      const { store, gate } = bench.held('link')
      gate.open()
      const bid = bench.bid()
      gate.shut()
      const answer = inTheAir(store.acquire(bid, patient))
      // The origin, then the first version: its link takes long, and the holder counts from before it.
      await gate.reached()
      gate.open()
      gate.shut()
      await gate.reached(2)
      await bench.clock.advance(300)
      gate.open()
      await answer
      await bench.clock.advance(300)
      expect(isFree(await bench.store().read('e', patient))).toBe(false)
      expect(await store.renew(bid, patient)).toBe(0)
    },
  },
  {
    name: 'a holder whose ttl has passed for itself is refused, for ever',
    async run(bench) {
      const store = bench.store()
      const bid = bench.bid()
      await store.acquire(bid, patient)
      await bench.clock.advance(500)
      expect(await store.renew(bid, patient)).toBe(0)
      expect(isOurs(await store.acquire(bid, patient), bid)).toBe(false)
      expect(await store.renew(bid, patient)).toBe(0)
    },
  },
]
