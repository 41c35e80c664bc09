/** Candidates on files, many and for long: one leads, tokens grow, nothing is left. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/candidate.ts'
import { Fence } from '../../../src/fence.ts'
import type { LeaseStore } from '../../../src/store.ts'
import { file } from '../../../src/stores/file.ts'
import { Bench, isOurs, patient, until } from './bench.ts'
import * as subject from './subject.ts'

let bench: Bench
beforeEach(async () => {
  bench = new Bench(subject, await mkdtemp(join(tmpdir(), 'tenure-election-')))
})
afterEach(() => bench.close())

/** Ten thousand where time is no matter. */
const TENURES = Number(process.env['TENURES'] ?? 1000)

describe('elections on files', () => {
  test(`tokens grow over ${TENURES} tenures of releases, expiry, removal and stepped clocks; stale ones are refused`, {
    timeout: 600_000,
  }, async () => {
    const elections = Array.from({ length: 10 }, (_, i) => `e${i}`)
    const last = new Map(elections.map((election) => [election, 0]))
    const stores = [bench.store(), bench.store(), bench.store()]
    const fences = new Map(elections.map((election) => [election, new Fence()]))
    for (let i = 0; i < TENURES / elections.length; i++) {
      await Promise.all(elections.map((election) => tenure(election, i)))
      // Nothing but the wall clock knows of a chain that is removed, so that one is not set back before that.
      if (i % 7 === 3) bench.clock.stepWall(60_000)
      if (i % 7 === 5) bench.clock.stepWall(-50_000)
      await bench.clock.advance(600)
    }

    async function tenure(election: string, i: number): Promise<void> {
      const store = stores[i % 3] ?? bench.store()
      const bid = bench.bid(election)
      let lease = await store.acquire(bid, patient)
      // Left to expire by the one before: seen from now on, and over when a ttl has passed.
      for (let tries = 0; !isOurs(lease, bid) && tries < 5; tries++) {
        await bench.clock.advance(500)
        lease = await store.acquire(bid, patient)
      }
      const token = lease?.fencingToken ?? 0
      expect(isOurs(lease, bid)).toBe(true)
      const before = last.get(election) ?? Number.NaN
      expect(token).toBeGreaterThan(before)
      last.set(election, token)
      if (before > 0) expect(fences.get(election)?.admits(before)).toBe(true)
      expect(fences.get(election)?.admits(token)).toBe(true)
      if (before > 0) expect(fences.get(election)?.admits(before)).toBe(false)
      if (i % 7 === 4) await rm(bench.path(election), { recursive: true, force: true })
      if (i % 3 === 0) await bench.store().release(bid, patient)
      else if (i % 3 === 1) await store.release(bid, patient)
    }
  })

  test('two hundred candidates: one leads, each release has one winner, and nobody asks more than a few times', {
    timeout: 120_000,
  }, async () => {
    const calls: number[] = []
    const shared = Array.from({ length: 10 }, () => file({ dir: bench.dir }))
    const all = Array.from({ length: 200 }, (_, i) => {
      const store = shared[i % shared.length] ?? file({ dir: bench.dir })
      const counted: LeaseStore = {
        ...store,
        acquire: (bid, signal) => {
          calls[i] = (calls[i] ?? 0) + 1
          return store.acquire(bid, signal)
        },
      }
      return new Candidate({ election: 'e', store: counted, ttlMs: 60_000 })
    })
    const troubles: string[] = []
    for (const candidate of all) candidate.on('trouble', ({ message }) => troubles.push(message))
    await Promise.all(all.map((candidate) => candidate.start()))
    const leaders = () => all.filter((candidate) => candidate.isLeader)
    const tokens: number[] = []
    for (let round = 0; round < 5; round++) {
      await until(() => leaders().length === 1, 'one leader')
      const leader = leaders()[0]
      tokens.push(leader?.tenure?.fencingToken ?? Number.NaN)
      await until(() => all.every((candidate) => candidate.isLeader || candidate.leader?.fencingToken === tokens.at(-1)), 'all to know it')
      calls.fill(0)
      await leader?.stepDown({ cooldownMs: 60_000 })
      await until(() => leaders().length > 0, 'the next leader')
      await until(
        () => all.every((candidate) => candidate === leader || (candidate.leader?.fencingToken ?? 0) > (tokens.at(-1) ?? 0)),
        'all to hear',
      )
      expect(leaders()).toHaveLength(1)
      expect(Math.max(...calls)).toBeLessThanOrEqual(6)
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
    await Promise.all(all.map((candidate) => candidate.stop()))
    expect(leaders()).toEqual([])
    expect(troubles).toEqual([])
  })

  test('when all have stopped no socket, watch or timer is left, and nobody leads', async () => {
    const resources = () => process.getActiveResourcesInfo().filter((name) => /FSEvent|Pipe|Timeout|Server/.test(name)).length
    const before = resources()
    const stores = [file({ dir: bench.dir }), file({ dir: bench.dir })]
    const all = stores.map((store) => new Candidate({ election: 'e', store, ttlMs: 5000 }))
    for (const candidate of all) await candidate.start()
    await all[0]?.stop()
    await until(() => all[1]?.isLeader ?? false, 'the other to lead')
    await all[1]?.stop()
    await until(() => resources() <= before, 'everything to be let go')
    expect(stores.map((store) => store.livenessServer('e'))).toEqual([undefined, undefined])
    expect(await stores[0]?.read('e', patient)).toBeUndefined()
    expect(await subject.systemDisk.list(bench.path('e', 'live'))).toEqual([])
  })
})
