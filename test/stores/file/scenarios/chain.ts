/** What stands in the files: numbers, tokens, litter, and records that nobody can read. */

import { copyFile, cp, rm, writeFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { isOurs, patient } from '../bench.ts'
import { type Scenario, serve } from './scenario.ts'

export const chain: readonly Scenario[] = [
  {
    name: 'the last eight versions below the highest are kept, and the highest for ever',
    async run(bench) {
      const store = bench.store()
      const bid = bench.bid()
      await store.acquire(bid, patient)
      for (let i = 0; i < 20; i++) expect(await store.renew(bid, patient)).toBe(500)
      const versions = await bench.versions()
      expect(versions).toHaveLength(9)
      expect((versions.at(-1) ?? 0) - (versions[0] ?? 0)).toBe(8)
      expect((await bench.record()).holder).toBe(bid.holder)
    },
  },
  {
    name: 'tokens grow although the wall clock is set back',
    async run(bench) {
      const store = bench.store()
      const first = await serve(bench, store)
      bench.clock.stepWall(-3_600_000)
      const second = await serve(bench, bench.store())
      expect(second).toBeGreaterThan(first)
    },
  },
  {
    name: 'a bid that was given up before it landed never lands, and one that landed is given back',
    async run(bench) {
      for (const when of ['before', 'after']) {
        const { systemDisk } = bench.subject
        const controller = new AbortController()
        let touched = false
        const link = async (path: string, name: string) => {
          if (when === 'after') await systemDisk.link(path, name)
          if (name.endsWith('.json')) controller.abort()
          if (when === 'before') await systemDisk.link(path, name)
          touched = true
        }
        const store = bench.store({ disk: { link } })
        const bid = bench.bid()
        await expect(store.acquire(bid, controller.signal)).rejects.toThrow()
        // The same store object answers when that bid has come to its end.
        await store.read('e', patient)
        expect(touched).toBe(true)
        const rival = bench.bid()
        expect(isOurs(await bench.store().acquire(rival, patient), rival)).toBe(true)
        await bench.store().release(rival, patient)
        expect(isOurs(await store.acquire(bid, patient), bid)).toBe(false)
        expect(store.livenessServer('e')).toBeUndefined()
      }
    },
  },
  {
    name: 'a bid that landed and could not be checked is given back, and never believed',
    async run(bench) {
      await serve(bench, bench.store())
      const { systemDisk } = bench.subject
      let landed = false
      const disk = {
        async link(path: string, name: string) {
          await systemDisk.link(path, name)
          landed = true
        },
        async list(path: string) {
          if (!landed) return systemDisk.list(path)
          landed = false
          throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
        },
      }
      const store = bench.store({ disk })
      const bid = bench.bid()
      await expect(store.acquire(bid, patient)).rejects.toMatchObject({ code: 'store-unreachable' })
      expect(isOurs(await store.acquire(bid, patient), bid)).toBe(false)
      const rival = bench.bid()
      expect(isOurs(await bench.store().acquire(rival, patient), rival)).toBe(true)
    },
  },
  {
    name: 'a renewal that landed and could not be checked is repeated, and counts from then',
    async run(bench) {
      const { systemDisk } = bench.subject
      let fail = false
      const disk = {
        async link(path: string, name: string) {
          await systemDisk.link(path, name)
          if (fail) throw Object.assign(new Error('EIO'), { code: 'EIO' })
        },
      }
      const store = bench.store({ disk })
      const bid = bench.bid()
      await store.acquire(bid, patient)
      fail = true
      await expect(store.renew(bid, patient)).rejects.toMatchObject({ code: 'store-unreachable' })
      fail = false
      expect(await store.renew(bid, patient)).toBe(500)
    },
  },
  {
    name: 'a temporary file of a process that died is swept, in time',
    async run(bench) {
      const store = bench.store()
      const bid = bench.bid('e', { ttlMs: 2_000_000 })
      await store.acquire(bid, patient)
      const litter = bench.path('e', 'dead.tmp')
      await writeFile(litter, 'half a rec')
      const exists = async () => (await bench.subject.systemDisk.list(bench.path())).includes('dead.tmp')
      await store.renew(bid, patient)
      await bench.clock.advance(500_000)
      await store.renew(bid, patient)
      expect(await exists()).toBe(true)
      await bench.clock.advance(200_000)
      await store.renew(bid, patient)
      expect(await exists()).toBe(false)
    },
  },
  {
    name: 'an unreadable highest version counts as held for the largest ttl in its chain, then it is superseded',
    async run(bench) {
      for (const [bytes, ttlMs, waitMs] of [
        ['', 500, 60_000],
        ['{"tenure":"lease","form', 90_000, 90_000],
        ['\0'.repeat(200), 500, 60_000],
      ] as const) {
        const election = `garbled-${bytes.length}`
        const bid = bench.bid(election, { ttlMs })
        const store = bench.store()
        const held = await store.acquire(bid, patient)
        await store.renew(bid, patient)
        await bench.kill(store, election)
        await writeFile(await bench.top(election), bytes)
        const follower = bench.store()
        const rival = bench.bid(election)
        expect((await follower.acquire(rival, patient))?.remainingMs).toBe(waitMs)
        await bench.clock.advance(waitMs - 1)
        expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(false)
        await bench.clock.advance(1)
        const won = await follower.acquire(rival, patient)
        expect(isOurs(won, rival)).toBe(true)
        expect(won?.fencingToken).toBeGreaterThan(held?.fencingToken ?? Number.NaN)
      }
    },
  },
  {
    name: 'a record that is not ours, or of another format, is refused and never superseded',
    async run(bench) {
      const lease = { tenure: 'lease', election: 'e', holder: 'h', ttlMs: 1 }
      for (const foreign of [{ hello: 1 }, [], 7, { ...lease, format: 2 }, { ...lease, format: 1 }, { tenure: 'other', format: 1 }]) {
        const store = bench.store()
        await serve(bench, store)
        const top = await bench.top()
        await copyFile(top, `${top}.kept`)
        await writeFile(top, JSON.stringify(foreign))
        const before = await bench.versions()
        for (let round = 0; round < 2; round++) {
          await expect(bench.store().acquire(bench.bid(), patient)).rejects.toMatchObject({ code: 'store-unfit' })
          await expect(store.read('e', patient)).rejects.toMatchObject({ code: 'store-unfit' })
          await bench.clock.advance(100_000)
        }
        expect(await bench.versions()).toEqual(before)
        await rm(bench.path(), { recursive: true })
      }
    },
  },
  {
    name: 'an election whose directory belongs to another is refused',
    async run(bench) {
      await serve(bench, bench.store(), 'a')
      await cp(bench.path('a'), bench.path('b'), { recursive: true, filter: (path) => !path.includes('live') })
      await expect(bench.store().acquire(bench.bid('b'), patient)).rejects.toMatchObject({ code: 'store-unfit' })
      await expect(bench.store().read('b', patient)).rejects.toThrow(/belongs to the election `a`/)
    },
  },
]
