/** Faults planted in what stores do with a memo, each caught by a law, or by the race that it loses. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LeaseStore } from '../../src/store.ts'
import { etcd } from '../../src/stores/etcd.ts'
import { type PgPool, postgres } from '../../src/stores/postgres.ts'
import { LawBroken, laws, openLab } from '../../src/testing/index.ts'
import { type Change, plant } from '../harness/plant.ts'
import { findServer, startEtcd } from '../harness/servers.ts'
import { LateNetwork } from './etcd/lab.ts'
import { available, Bench, bidFor, calm, fresh, TTL } from './postgres/bench.ts'

interface Fault extends Change {
  /** Of the law, or of the race, that catches it. */
  readonly caughtBy: string
}

const lease = 'src/stores/file/lease.ts'
const sql = 'src/stores/shared/sql.ts'

const inFiles: readonly Fault[] = [
  {
    caughtBy: 'a memo outlives the lease',
    file: lease,
    find: 'acquiredAt, ttlMs: 0, memo }',
    replace: 'acquiredAt, ttlMs: 0, ...(!memo && { memo }) }',
  },
  {
    caughtBy: 'a memo outlives the lease',
    file: lease,
    find: 'memo: seen?.memo,',
    replace: '',
  },
  {
    caughtBy: 'only a live leader writes a memo',
    file: lease,
    find: '(record) => record.fencingToken === fencingToken',
    replace: '(record) => record.fencingToken <= fencingToken',
  },
  {
    caughtBy: 'an expired leader writes no memo',
    file: lease,
    find: '!isRight(record) || this.#sightings.remainingMs() <= 0',
    replace: '!isRight(record)',
  },
]

const inPostgres: readonly Fault[] = [
  {
    caughtBy: 'only a live leader writes a memo',
    file: sql,
    find: 'l.token = $2::bigint AND',
    replace: '$2::bigint IS NOT NULL AND',
  },
  {
    caughtBy: 'a memo outlives the lease',
    file: sql,
    find: 'ON CONFLICT (name) DO UPDATE SET text = excluded.text RETURNING name',
    replace: 'ON CONFLICT (name) DO NOTHING RETURNING name',
  },
]

describe('a fault in a store is caught by a law', () => {
  test.each(inFiles)('file: $find', async ({ caughtBy, ...change }) => {
    const { file } = (await plant('src/stores/file.ts', [change, ...more(change)])) as { file(options: { dir: string }): LeaseStore }
    const dir = mkdtempSync(join(tmpdir(), 'tenure-memo-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    expect(await broken(caughtBy, () => file({ dir }))).toBe(true)
  })

  describe.skipIf(!available)('a real server', () => {
    const bench = Bench.use()

    test.each(inPostgres)('Postgres: $find', async ({ caughtBy, ...change }) => {
      const planted = (await plant('src/stores/postgres.ts', [change])) as { postgres(pool: PgPool): LeaseStore }
      expect(await broken(caughtBy, () => planted.postgres(bench.pool()))).toBe(true)
      await bench.clear()
    })

    /** An operator has the row of the lease locked while its leader writes; then somebody else has it. */
    const overtaken = async (open: (pool: PgPool) => LeaseStore): Promise<boolean | undefined> => {
      const store = open(bench.pool())
      const bid = bidFor(fresh('memo'))
      const won = await store.acquire(bid, calm())
      const rival = await bench.admin.connect()
      await rival.query('BEGIN')
      await rival.query("UPDATE tenure_lease SET holder = 'rival', token = token + 1 WHERE name = $1", [bid.election])
      const writing = store.memo?.write({ election: bid.election, fencingToken: won?.fencingToken ?? 0 }, 'late', calm())
      const over = new AbortController()
      const early = await Promise.race([writing, waitsForLock(bench, over.signal)])
      over.abort()
      await rival.query('COMMIT')
      rival.release()
      const written = early === 'waits' ? await writing : early
      await store.close?.()
      await bench.clear()
      return written
    }

    test('a write that waits until somebody else has the lease is refused', async () => {
      expect(await overtaken((pool) => postgres(pool))).toBe(false)
    })

    test('planted: one that looks without locking is not', async () => {
      const change = { file: sql, find: "${durably('$4')} FOR NO KEY UPDATE OF l", replace: "${durably('$4')}" }
      const planted = (await plant('src/stores/postgres.ts', [change])) as { postgres(pool: PgPool): LeaseStore }
      expect(await overtaken((pool) => planted.postgres(pool))).toBe(true)
    })
  })
})

describe.skipIf(!findServer('etcd'))('a write that lands when somebody else leads', () => {
  async function late(open: typeof etcd): Promise<string | undefined> {
    const server = await startEtcd()
    onTestFinished(() => server.close())
    const network = new LateNetwork()
    const endpoints = `http://127.0.0.1:${server.port}`
    const store = open({ endpoints, fetch: network.fetch })
    const bid = bidFor(fresh('memo'), { ttlMs: TTL })
    const won = await store.acquire(bid, calm())
    const held = network.hold('/v3/kv/txn')
    const controller = new AbortController()
    const author = { election: bid.election, fencingToken: won?.fencingToken ?? 0 }
    const writing = store.memo?.write(author, 'late', controller.signal).catch(() => {})
    await held
    controller.abort(new Error('given up'))
    await writing
    await store.release(bid, calm())
    const rival = bidFor(bid.election, { ttlMs: TTL })
    expect(await store.acquire(rival, calm())).toMatchObject({ holder: rival.holder })
    await network.letGo()
    const memo = await store.memo?.read(bid.election, calm())
    await store.release(rival, calm())
    await store.close?.()
    return memo
  }

  test('etcd refuses it', async () => {
    expect(await late(etcd)).toBeUndefined()
  })

  test('planted: without a comparison it stands', async () => {
    const change = {
      file: 'src/stores/etcd/keys.ts',
      find: '{ compare: [createdAt({ key: encode(key) }, revision)], success }',
      replace: '{ success }',
    }
    const planted = (await plant('src/stores/etcd.ts', [change])) as { etcd: typeof etcd }
    expect(await late(planted.etcd)).toBe('late')
  })
})

/** Where the leader itself looks at its clock first, the fault needs that out of the way as well. */
function more({ find }: Change): readonly Change[] {
  if (!find.includes('isRight')) return []
  return [{ file: lease, find: 'if (held && this.#leftMs(held) <= 0) return undefined', replace: '' }]
}

async function broken(name: string, open: () => LeaseStore): Promise<boolean> {
  const lab = await openLab({ open })
  try {
    await laws.find((law) => law.name === name)?.check(lab)
    return false
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(LawBroken)
    return true
  } finally {
    await lab.close()
  }
}

/** Resolves when somebody waits for a lock. */
async function waitsForLock(bench: Bench, over: AbortSignal): Promise<'waits'> {
  while (!over.aborted) {
    const { rows } = await bench.admin.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    if (rows.length > 0) return 'waits'
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return 'waits'
}
