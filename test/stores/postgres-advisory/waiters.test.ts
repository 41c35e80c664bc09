/** The session that waits for the lock is what watching is here: lost alone, it is made anew, and nothing is missed for longer than a poll. */

import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, fresh, storeOf, waiters } from './bench.ts'

describe.skipIf(!available)('the session that waits is ended', { timeout: 120_000 }, () => {
  const bench = Bench.use()
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
  })

  /** One leads, the other waits at the server. The store itself looks every third of a ttl. */
  async function pair(ttlMs: number) {
    const election = fresh()
    const [a, b] = [0, 1].map(() => new Candidate({ store: storeOf(bench), election, ttlMs, retryMs: ttlMs / 3 }))
    if (!a || !b) throw new Error('never')
    candidates.push(a, b)
    b.on('trouble', () => {})
    await a.start()
    await b.start()
    await until('somebody waits', async () => (await waiters(bench)) === 1)
    return { a, b }
  }

  async function end(): Promise<number> {
    const { rows } = await bench.admin.query(
      "SELECT pid, pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
    )
    return rows[0].pid
  }

  test('another waits in its place, and a release is felt at once again', async () => {
    const { a, b } = await pair(45_000)
    const ended = await end()
    const waiting = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid <> $1"
    await until('another waits', async () => (await bench.admin.query(waiting, [ended])).rowCount === 1, 45_000)
    await a.stop()
    // Long before the next look.
    await until('the other leads', () => b.isLeader, 10_000)
  })

  test('a release while nobody waits is found by the next look, and not a ttl later', async () => {
    const { a, b } = await pair(60_000)
    await end()
    await until('nobody waits', async () => (await waiters(bench)) === 0)
    await a.stop()
    // The candidate itself would look when a ttl has passed.
    await until('the other leads', () => b.isLeader, 45_000)
    expect(a.isLeader).toBe(false)
  })
})
