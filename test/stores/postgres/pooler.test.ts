import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { postgres } from '../../../src/stores/postgres.ts'
import { describeStore } from '../../../src/testing/index.ts'
import { startPgbouncer } from '../../harness/postgres.ts'
import { type Server, until } from '../../harness/server.ts'
import { findServer } from '../../harness/servers.ts'
import { available, Bench, bidFor, calm, fresh } from './bench.ts'

describe.skipIf(!available || !findServer('pgbouncer'))('through PgBouncer in transaction mode', () => {
  const bench = Bench.use()
  let pooler: Server
  const candidates: Candidate[] = []

  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    await pooler.close()
  })

  async function poolerPort(): Promise<number> {
    pooler = await startPgbouncer(bench.server)
    return pooler.port
  }

  function stand(port: number, election: string): Candidate {
    const candidate = new Candidate({ store: bench.store(port), election, ttlMs: 6000 })
    candidates.push(candidate)
    return candidate
  }

  test('a leader is elected and renewed, and a follower learns of its end by polling', async () => {
    const port = await poolerPort()
    const election = fresh()
    const leader = stand(port, election)
    let renewals = 0
    leader.on('renewed', () => {
      renewals += 1
    })
    await leader.start()
    await until('it leads', () => leader.isLeader)
    const follower = stand(port, election)
    await follower.start()
    expect([leader.isLeader, follower.isLeader]).toEqual([true, false])
    await until('it was renewed', () => renewals >= 2)
    await leader.stop()
    await until('the follower leads', () => follower.isLeader)
    await follower.stop()
  })

  test('it says once that nobody is told of releases, and the watch stays silent', async () => {
    const port = await poolerPort()
    const warnings: Error[] = []
    const heard = (warning: Error) => void warnings.push(warning)
    process.on('warning', heard)
    const store = bench.store(port)
    const election = fresh()
    const gone = new AbortController()
    let changed = 0
    const watches = [1, 2].map(() => store.watch(election, () => void changed++, gone.signal))
    const bid = bidFor(election)
    await store.acquire(bid, calm())
    await store.release(bid, calm())
    await until('it is said', () => warnings.some(({ message }) => /are not told of releases: a pooler/.test(message)))
    expect(warnings.filter(({ name }) => name === 'TenureWarning')).toHaveLength(1)
    expect(changed).toBe(0)
    gone.abort()
    await Promise.all(watches)
    process.off('warning', heard)
  })

  test('nothing that is set for a call reaches the other clients of the pooler', async () => {
    const port = await poolerPort()
    const store = bench.store(port)
    const stranger = bench.pool(port)
    await Promise.all(Array.from({ length: 40 }, () => store.acquire(bidFor(fresh()), calm())))
    const names = ['application_name', 'lock_timeout', 'synchronous_commit', 'default_transaction_isolation']
    const settings = async (pool: typeof stranger) => {
      const { rows } = await pool.query('SELECT name, setting FROM pg_settings WHERE name = ANY($1) ORDER BY name', [names])
      return rows.map(({ name, setting }) => `${name}=${setting}`)
    }
    for (let i = 0; i < 10; i++) {
      expect(await settings(stranger)).toEqual([
        'application_name=',
        'default_transaction_isolation=read committed',
        'lock_timeout=0',
        'synchronous_commit=on',
      ])
    }
    expect(await bench.connections()).toBe(0)
  })

  test('a pooler that is killed and comes back', async () => {
    const port = await poolerPort()
    const leader = stand(port, fresh())
    leader.on('trouble', () => {})
    await leader.start()
    await until('it leads', () => leader.isLeader)
    let renewals = 0
    leader.on('renewed', () => {
      renewals += 1
    })
    await pooler.restart()
    await until('it was renewed again, or leads again', () => leader.isLeader && renewals >= 1)
  })
})

describe.skipIf(!available || !findServer('pgbouncer'))('the laws through PgBouncer', () => {
  const bench = Bench.use()
  let pooler: Server | undefined
  afterEach(() => bench.clear())
  const lab = bench.lab()
  const skip = Object.fromEntries(
    [
      'a watch says once that it is in place',
      'a watch resolves when its signal is aborted, and is silent afterwards',
      'a watch changes nothing',
    ].map((name) => [name, 'no notification comes through a pooler: the watch stays silent, and followers poll']),
  )
  test('the pooler starts', async () => {
    pooler = await startPgbouncer(bench.server, 'max_client_conn = 1000')
  })
  describeStore('postgres', {
    ...lab,
    open: () => postgres(bench.pool(pooler?.port)),
    runner: { describe, test },
    skip,
  })
  test('the pooler ends', () => pooler?.close())
})
