/** Asynchronous failover under an advisory lock, shown for what it is: locks are not replicated, tokens are. */

import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { fenced } from '../../../src/stores/postgres-advisory.ts'
import { startStandby } from '../../harness/postgres.ts'
import { startProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, clientAt, fresh, storeOf } from './bench.ts'

/** Much longer than a promotion takes on a busy machine: the old leader still believes then. */
const ttlMs = 25_000

// Copying a server takes a while on a machine that is busy.
describe.skipIf(!available)('with a standby', { timeout: 180_000 }, () => {
  const bench = Bench.use()
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
  })

  test('primary killed, standby promoted, old primary restarted: overlap possible, fenced order never broken', async () => {
    const standby = await startStandby(bench.server, { options: ['max_connections=300'] })
    bench.ends(() => standby.close())
    // The guarded resource is a server of its own, which outlives both.
    const third = new Bench()
    await third.start()
    bench.ends(() => third.end())
    const resource = await clientAt(third.server.port)
    bench.ends(() => resource.end())
    const proxy = await startProxy(bench.server.port)
    bench.ends(() => proxy.close())
    const passed: number[] = []
    let refused = 0

    const election = fresh()
    const old = stand('old', proxy.port)
    await old.start()
    const first = await write(old)
    const replica = await clientAt(standby.port)
    const replicated = () => replica.query('SELECT FROM tenure_lease WHERE name = $1', [election])
    await until('the standby knows of it', async () => (await replicated()).rowCount === 1)

    // The old leader hears nothing: neither of the end of its server, nor of a successor.
    proxy.halfOpen()
    proxy.stall()
    await bench.server.kill('SIGKILL')
    await replica.query('SELECT pg_promote()')
    await replica.end()
    const next = stand('next', standby.port)
    await next.start()
    await until('the new primary has a leader', () => next.isLeader)
    expect(old.isLeader).toBe(true)
    const second = await write(next)
    expect(second).toBeGreaterThan(first)
    // It believes, acts, and is refused.
    await write(old)
    expect(refused).toBe(1)

    // The old primary is back and knows nothing of that: whoever is bound to it leads there, too.
    await bench.server.start()
    proxy.resume()
    await until('the old one leads anew', () => (old.tenure?.fencingToken ?? 0) > first)
    expect(next.isLeader).toBe(true)
    for (const candidate of [old, next, old, next]) await write(candidate)
    expect(passed).toEqual([...passed].sort((a, b) => a - b))
    expect(refused).toBeGreaterThan(1)

    function stand(id: string, port: number): Candidate {
      const candidate = new Candidate({ store: storeOf(bench, port), election, id, ttlMs })
      candidate.on('trouble', () => {})
      candidates.push(candidate)
      return candidate
    }

    async function write(candidate: Candidate): Promise<number> {
      const token = candidate.tenure?.fencingToken ?? Number.NaN
      await resource.query('BEGIN')
      try {
        await fenced(resource, 'thing', token)
        await resource.query('COMMIT')
        passed.push(token)
      } catch (thrown) {
        await resource.query('ROLLBACK')
        expect(thrown).toMatchObject({ code: 'stale-token' })
        refused += 1
      }
      return token
    }
  })
})
