/** Races of real processes, with real freezes. */

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Bid } from '../../../src/store.ts'
import { directoryNameOf } from '../../../src/stores/file/place.ts'
import { now, type Term } from './actor.ts'
import { Actor, endActors } from './actors.ts'
import { isOurs } from './bench.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenure-races-'))
})
afterEach(async () => {
  await endActors()
  await rm(dir, { recursive: true, force: true })
})

const bidOf = (election: string, holder: string, ttlMs = 60_000): Bid => ({ election, holder, candidate: holder, ttlMs })

async function oneWinnerEach(actors: readonly Actor[], elections: readonly string[], ttlMs: number): Promise<void> {
  for (const election of elections) {
    const bids = actors.map(({ pid }) => bidOf(election, `${election}-${pid}`, ttlMs))
    const leases = await Promise.all(actors.map((actor, i) => actor.call('acquire', bids[i] ?? bidOf('', ''))))
    const winners = bids.filter((bid, i) => isOurs(leases[i], bid))
    expect(winners, election).toHaveLength(1)
    expect(new Set(leases.map((lease) => lease?.holder)), election).toEqual(new Set([winners[0]?.holder]))
  }
}

/** Longer where time is no matter. */
const CONTEND_MS = Number(process.env['CONTEND_MS'] ?? 8000)

describe('real processes', () => {
  test('twelve on one dead lease, fifty rounds: one winner each', { timeout: 120_000 }, async () => {
    const elections = Array.from({ length: 50 }, (_, i) => `dead-${i}`)
    const corpse = await Actor.start(dir)
    await corpse.call(
      'acquireAll',
      elections.map((election) => bidOf(election, `corpse-${election}`)),
    )
    const actors = await Actor.many(12, dir)
    await corpse.kill().ended
    await oneWinnerEach(actors, elections, 60_000)
  })

  test('twelve on one lease whose leader is frozen, when its ttl is over: one winner each', { timeout: 120_000 }, async () => {
    const elections = Array.from({ length: 20 }, (_, i) => `frozen-${i}`)
    const frozen = await Actor.start(dir)
    await frozen.call(
      'acquireAll',
      elections.map((election) => bidOf(election, `frozen-${election}`, 1000)),
    )
    const actors = await Actor.many(12, dir)
    frozen.freeze()
    for (const actor of actors) for (const election of elections) await actor.call('read', election)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    await oneWinnerEach(actors, elections, 60_000)
  })

  test('twelve first bids on an empty directory, fifty rounds: one winner each', { timeout: 120_000 }, async () => {
    const actors = await Actor.many(12, dir)
    const elections = Array.from({ length: 50 }, (_, i) => `first-${i}`)
    await oneWinnerEach(actors, elections, 60_000)
  })

  test('eight processes, frozen at random between all steps: no token twice, none out of order, no two at once', {
    timeout: 120_000 + CONTEND_MS,
  }, async () => {
    const actors = await Actor.many(8, dir)
    const until = now() + CONTEND_MS
    const terms = Promise.all(actors.map((actor) => actor.call('contend', 'e', 300, until)))
    let frozen = 0
    while (now() < until) {
      const actor = actors[Math.floor(Math.random() * actors.length)]
      actor?.freeze()
      frozen += 1
      // Mostly for a moment, to be out of step; now and then for longer than the lease lives.
      await new Promise((resolve) => setTimeout(resolve, Math.random() < 0.1 ? 450 : Math.random() * 20))
      actor?.thaw()
    }
    const all = (await terms).flat().sort((a, b) => a.fencingToken - b.fencingToken)
    expect(all.length).toBeGreaterThan(10)
    expect(new Set(all.map(({ fencingToken }) => fencingToken)).size).toBe(all.length)
    expect(pairs(all).filter(([a, b]) => b.wonAt < a.askedAt)).toEqual([])
    expect(pairs(all).filter(([a, b]) => b.wonAt < a.overAt)).toEqual([])
    if (process.env['CONTEND_MS']) console.log(`${all.length} tenures, ${frozen} freezes`)
    const left = await readdir(join(dir, directoryNameOf('e')))
    expect(left.filter((name) => name.endsWith('.json')).length).toBeLessThanOrEqual(20)
  })
})

function pairs(terms: readonly Term[]): [Term, Term][] {
  return terms.slice(1).map((term, i) => [terms[i] ?? term, term])
}
