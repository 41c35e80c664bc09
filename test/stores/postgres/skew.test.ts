/** D9 on a real server whose clock is too fast, without a margin: within the configured drift it holds, beyond it it is caught. */

import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { canStep, startSkewedPostgres } from '../../harness/postgres.ts'
import { startProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { Bench, bidFor, calm, fresh } from './bench.ts'

/** So long that the moments which have to be told apart are seconds apart. */
const ttlMs = 30_000
/** Leases end at 26.1 s of ours. */
const RATE = 1.15

describe.skipIf(!canStep())('a server whose clock is too fast', { timeout: 180_000 }, () => {
  const bench = new Bench()
  afterEach(() => bench.end())

  test('a leader that is cut off, at margin 0: allowed for by `drift` it has given up, otherwise it still believes', async () => {
    await bench.over(await startSkewedPostgres(RATE, 'max_connections=100'))
    const proxy = await startProxy(bench.server.port)
    bench.ends(() => proxy.close())
    const rival = bench.store()
    // Believed for 24 s, and for 29.7 s.
    const both = [0.1, 0.005].map((drift) => {
      const timing = { ttlMs, drift, marginMs: 0, renewMs: 5000, callMs: 2000 }
      const candidate = new Candidate({ store: bench.store(proxy.port), election: fresh('skew'), ...timing })
      bench.ends(() => candidate.stop())
      candidate.on('trouble', () => {})
      return candidate
    })
    await Promise.all(both.map((candidate) => candidate.start()))
    proxy.stall()
    const [allowed, beyond] = await Promise.all(both.map(believesWhenRivalWins))
    proxy.resume()
    expect({ allowed, beyond }).toEqual({ allowed: false, beyond: true })

    async function believesWhenRivalWins(candidate: Candidate): Promise<boolean | undefined> {
      let believes: boolean | undefined
      const wins = async () => {
        const bid = bidFor(candidate.election)
        if ((await rival.acquire(bid, calm()))?.holder !== bid.holder) return false
        believes = candidate.isLeader
        return true
      }
      await until('the rival wins', wins, 60_000)
      return believes
    }
  })
})
