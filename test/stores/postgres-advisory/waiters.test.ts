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

  /** One leads, the other waits at the server; the ttl is far away. */
  async function pair(retryMs: number) {
    const election = fresh()
    const [a, b] = [0, 1].map(() => new Candidate({ store: storeOf(bench), election, ttlMs: 120_000, retryMs, renewMs: 500 }))
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
    const { a, b } = await pair(15_000)
    const ended = await end()
    const waiting = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid <> $1"
    // Armed again with the next answer of the store, at the latest at the next poll.
    await until('another waits', async () => (await bench.admin.query(waiting, [ended])).rowCount === 1, 90_000)
    await a.stop()
    await until('the other leads', () => b.isLeader, 20_000)
  })

  test('a release while nobody waits is found by the next poll', async () => {
    const { a, b } = await pair(3000)
    await Promise.all([end(), a.stop()])
    await until('the other leads', () => b.isLeader, 30_000)
    expect(a.isLeader).toBe(false)
  })
})
