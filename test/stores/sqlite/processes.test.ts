/** Real processes on one file: races, crashes, freezes at the worst moments, and writers that never end. */

import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostMono } from '../../../src/clock.ts'
import type { Bid } from '../../../src/store.ts'
import { sqlite } from '../../../src/stores/sqlite.ts'
import type { Term } from './actor.ts'
import { Actor, endActors } from './actors.ts'
import { isOurs } from './bench.ts'
import { openAny } from './drivers.ts'

let dir = ''
let file = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenure-processes-'))
  file = join(dir, 'app.db')
  const db = openAny(file)
  await sqlite(db).ensureSchema()
  db.close()
})
afterEach(async () => {
  await endActors()
  await rm(dir, { recursive: true, force: true })
})

/** Longer where time is no matter. */
const CONTEND_MS = Number(process.env['CONTEND_MS'] ?? 8000)
const LONG_MS = 120_000
const TTL_MS = 4000

const bidOf = (election: string, holder: string, ttlMs = LONG_MS): Bid => ({ election, holder, candidate: holder, ttlMs })
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function oneWinnerEach(actors: readonly Actor[], elections: readonly string[]): Promise<void> {
  for (const election of elections) {
    const bids = actors.map(({ pid }) => bidOf(election, `${election}-${pid}`))
    const leases = await Promise.all(actors.map((actor, i) => actor.call('acquire', bids[i] ?? bidOf('', ''))))
    const winners = bids.filter((bid, i) => isOurs(leases[i], bid))
    expect(winners, election).toHaveLength(1)
    expect(new Set(leases.map((lease) => lease?.holder)), election).toEqual(new Set([winners[0]?.holder]))
  }
}

/** Candidates that say whenever they act, by tokens that must never fall. */
async function acting(count: number, ttlMs = TTL_MS): Promise<[Actor, ...Actor[]]> {
  const leader = await Actor.start(file)
  await leader.call('stand', { election: 'e', ttlMs })
  await leader.heard('elected')
  const others = await Actor.many(count - 1, file)
  for (const other of others) await other.call('stand', { election: 'e', ttlMs })
  for (const actor of [leader, ...others]) await actor.call('act')
  await leader.heard('acted')
  return [leader, ...others]
}

const nextLeader = (others: readonly Actor[], from = 0) =>
  Promise.race(others.map(async (other) => ({ other, news: await other.heard('elected', from) })))

/** By their stamps, whenever they were heard: all processes of a host share one clock. */
function staleActions(actors: readonly Actor[]): number {
  const told = actors.flatMap((actor) => actor.told)
  const elections = told.filter(({ event }) => event === 'elected')
  const actions = told.filter(({ event }) => event === 'acted')
  expect(actions.length).toBeGreaterThan(0)
  return actions.filter(({ at, fencingToken = 0 }) => elections.some((each) => each.at < at && (each.fencingToken ?? 0) > fencingToken))
    .length
}

describe('races', () => {
  test('twelve first bids on an empty table, fifty rounds: one winner each, and all are told the same', { timeout: LONG_MS }, async () => {
    await oneWinnerEach(
      await Actor.many(12, file),
      Array.from({ length: 50 }, (_, i) => `first-${i}`),
    )
  })

  test('twelve on leases whose holder was killed, when their ttl is over: one winner each', { timeout: LONG_MS }, async () => {
    const elections = Array.from({ length: 20 }, (_, i) => `dead-${i}`)
    const corpse = await Actor.start(file)
    const actors = await Actor.many(12, file)
    const held = await corpse.call(
      'acquireAll',
      elections.map((election) => bidOf(election, `corpse-${election}`, 1000)),
    )
    expect(held.every((lease) => lease?.remainingMs === 1000)).toBe(true)
    await corpse.kill().ended
    await pause(1100)
    await oneWinnerEach(actors, elections)
  })

  test('twelve that make the tables at once', { timeout: LONG_MS }, async () => {
    file = join(dir, 'new.db')
    const actors = await Actor.many(12, file)
    await Promise.all(actors.map((actor) => actor.call('ensureSchema')))
    await oneWinnerEach(actors, ['e'])
  })

  test('eight processes, frozen at random: no token twice, none out of order, no two at once', {
    timeout: LONG_MS + CONTEND_MS,
  }, async () => {
    const actors = await Actor.many(8, file)
    const until = hostMono() + CONTEND_MS
    const terms = Promise.all(actors.map((actor) => actor.call('contend', 'e', 300, until)))
    let frozen = 0
    while (hostMono() < until) {
      const actor = actors[Math.floor(Math.random() * actors.length)]
      actor?.freeze()
      frozen += 1
      // Mostly for a moment, to be out of step; now and then for longer than the lease lives.
      await pause(Math.random() < 0.1 ? 450 : Math.random() * 20)
      actor?.thaw()
    }
    const all = (await terms).flat().sort((a, b) => a.fencingToken - b.fencingToken)
    expect(all.length).toBeGreaterThan(10)
    expect(new Set(all.map(({ fencingToken }) => fencingToken)).size).toBe(all.length)
    expect(pairs(all).filter(([a, b]) => b.wonAt < a.askedAt)).toEqual([])
    expect(pairs(all).filter(([a, b]) => b.wonAt < a.overAt)).toEqual([])
    if (process.env['CONTEND_MS']) console.log(`${all.length} tenures, ${frozen} freezes`)
  })
})

describe('candidates', () => {
  test('kill -9: the next one leads when the lease is over, with a larger token', { timeout: LONG_MS }, async () => {
    const [leader, ...others] = await acting(3)
    const first = await leader.heard('elected')
    await leader.kill().ended
    const { news } = await nextLeader(others)
    expect(news.fencingToken).toBeGreaterThan(first.fencingToken ?? Number.NaN)
    expect(staleActions([leader, ...others])).toBe(0)
  })

  test('a leader that stops hands over at the next look, however long the ttl', { timeout: LONG_MS }, async () => {
    const [leader, ...others] = await acting(3, LONG_MS)
    await leader.call('stop')
    const stoppedAt = hostMono()
    const { news } = await nextLeader(others)
    expect(news.at - stoppedAt).toBeLessThan(LONG_MS / 10)
  })

  test('a leader that is frozen for three ttl acts no more when it wakes', { timeout: LONG_MS }, async () => {
    const [leader, ...others] = await acting(2)
    leader.freeze()
    const { other } = await nextLeader(others)
    await pause(2 * TTL_MS)
    leader.thaw()
    expect(await leader.call('isLeader')).toBe(false)
    expect(await other.call('isLeader')).toBe(true)
    await pause(300)
    expect(staleActions([leader, other])).toBe(0)
  })

  test.each(['BEGIN IMMEDIATE', 'COMMIT'])('a leader that is frozen in a renewal, just before %s', { timeout: LONG_MS }, async (sql) => {
    const [leader, ...others] = await acting(2)
    await leader.call('freezeBefore', sql)
    if (sql === 'COMMIT') {
      // It sleeps with the write lock: nobody can lead, and nobody does.
      await pause(3 * TTL_MS)
      expect(others[0]?.told.some(({ event }) => event === 'elected')).toBe(false)
    } else await nextLeader(others)
    leader.thaw()
    await Promise.race([nextLeader(others), leader.heard('elected', 1)])
    await pause(300)
    expect(staleActions([leader, ...others])).toBe(0)
    expect((await leader.heard('deposed')).why).toBeDefined()
  })

  test('a writer elsewhere that takes three ttl: nobody leads beyond the deadline, then one does, never two', {
    timeout: LONG_MS,
  }, async () => {
    const [leader, follower] = await acting(2)
    const writer = await Actor.start(file)
    const askedAt = hostMono()
    await writer.call('lock', 3 * TTL_MS)
    const lockedAt = hostMono()
    const deposed = await leader.heard('deposed')
    expect(deposed.at - lockedAt).toBeLessThan(2 * TTL_MS)
    expect(deposed.why).toBe('expired')
    expect((await leader.heard('trouble')).why).toMatch(/locked by another writer|not answered/)
    const again = await Promise.race([leader.heard('elected', 1), follower?.heard('elected')])
    expect((again?.at ?? 0) - askedAt).toBeGreaterThan(3 * TTL_MS - 100)
    expect(staleActions([leader, ...(follower ? [follower] : [])])).toBe(0)
  })

  test('a locked database does not hold up the loop, whatever timeout the connection has', { timeout: LONG_MS }, async () => {
    const [writer, bidder] = [await Actor.start(file), await Actor.start(file)]
    await bidder.call('longestPause', 'free', 100)
    await writer.call('lock', 4000)
    const ours = longestPause()
    const theirs = await bidder.call('longestPause', 'locked', 3000)
    // SQLite itself would have waited for all of it. What held us up as well was the machine.
    expect(theirs - ours()).toBeLessThan(2000)
  })

  test.skipIf(process.getuid?.() !== 0)('a user who may not write is denied, and may still look (needs the rights of root)', async () => {
    const leader = await Actor.start(file)
    const bid = bidOf('e', 'leader')
    await leader.call('acquire', bid)
    await chmod(dir, 0o755)
    for (const part of ['', '-wal', '-shm']) await chmod(file + part, 0o644)
    const stranger = await Actor.start(file, { uid: 65534, gid: 65534 })
    const denied = { code: 'store-denied', message: expect.stringMatching(/Open it for writing, as a user who may write/) }
    await expect(stranger.call('acquire', bidOf('f', 'stranger'))).rejects.toMatchObject(denied)
    await leader.call('release', bid)
  })

  test('a program ends by itself when it has stopped, and when only its store is left', { timeout: LONG_MS }, async () => {
    const [leader, follower] = await acting(2, LONG_MS)
    await leader.call('stop')
    await follower?.heard('elected')
    const done = await Actor.start(file)
    await done.call('stand', { election: 'f', ttlMs: LONG_MS })
    await done.call('stop')
    await done.call('leave')
    await done.ended
    const idle = await Actor.start(file)
    await idle.call('stand', { election: 'e', ttlMs: LONG_MS, unref: true })
    await idle.call('leave')
    await idle.ended
  })
})

/** The longest that our own loop stands still from now on, until it is asked for. */
function longestPause(): () => number {
  let longest = 0
  let last = hostMono()
  const tick = () => {
    longest = Math.max(longest, hostMono() - last)
    last = hostMono()
  }
  const ticking = setInterval(tick, 1)
  return () => {
    clearInterval(ticking)
    tick()
    return longest
  }
}

function pairs(terms: readonly Term[]): [Term, Term][] {
  return terms.slice(1).map((term, i) => [terms[i] ?? term, term])
}
