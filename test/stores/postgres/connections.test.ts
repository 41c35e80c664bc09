import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Pool } from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { Candidate, type LeaseStore, TenureError } from '../../../src/index.ts'
import { postgres } from '../../../src/stores/postgres.ts'
import { startProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, clientAt, fresh } from './bench.ts'
import { bundled } from './process.ts'

describe.skipIf(!available)('connections', () => {
  const bench = Bench.use()
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    await bench.clear()
  })

  function stand(store: LeaseStore, election = fresh()): Candidate {
    const candidate = new Candidate({ store, election, ttlMs: 15_000 })
    candidate.on('trouble', () => {})
    ends.push(() => candidate.stop())
    return candidate
  }

  test('one while anything stands, two at most, none after the last stop', async () => {
    const pool = bench.pool()
    const store = postgres(pool)
    const candidates = Array.from({ length: 20 }, () => stand(store))
    await Promise.all(candidates.map((candidate) => candidate.start()))
    await until('all lead', () => candidates.every(({ isLeader }) => isLeader))
    expect(await bench.connections()).toBeLessThanOrEqual(2)
    expect(pool.totalCount).toBeLessThanOrEqual(2)
    await candidates[0]?.stop()
    expect(await bench.connections()).toBeGreaterThanOrEqual(1)
    await Promise.all(candidates.map((candidate) => candidate.stop()))
    await until('none is left', async () => pool.totalCount === 0 && (await bench.connections()) === 0)
  })

  test('a pool that is ended right after the last stop ends', async () => {
    const pool = bench.pool()
    const candidate = stand(postgres(pool))
    await candidate.start()
    await candidate.stop()
    await pool.end()
    expect(pool.totalCount).toBe(0)
  })

  test('what a store has set on a connection never reaches the owner of the pool', async () => {
    const pool = bench.pool()
    const store = postgres(pool)
    const bid = bidFor(fresh())
    await store.acquire(bid, calm())
    await store.release(bid, calm())
    await until('it was given back', () => pool.totalCount === 0)
    const { rows } = await pool.query("SELECT current_setting('application_name') AS app, current_setting('lock_timeout') AS lock")
    expect(rows).toEqual([{ app: '', lock: '0' }])
  })

  test('a pool that its owner has used up is waited for, within the bound of the call', async () => {
    const pool = bench.pool(undefined, { max: 3 })
    const store = postgres(pool)
    const owners = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
    const bid = bidFor(fresh())
    for (let i = 0; i < 5; i++) await expect(store.acquire(bid, AbortSignal.timeout(20))).rejects.toThrow()
    expect(pool.waitingCount).toBeLessThanOrEqual(4)
    const waiting = store.acquire(bid, calm())
    owners[0]?.release()
    expect((await waiting)?.holder).toBe(bid.holder)
    for (const owner of owners.slice(1)) owner.release()
    await store.release(bid, calm())
    await until('what nobody waited for was given back', () => pool.waitingCount === 0 && pool.totalCount - pool.idleCount === 0)
  })

  test('a pool that is too small is refused with that sentence; so is what is no client', () => {
    const sentence = /^Expected the pool to have a `max` of at least 3, got 2 \(number\): store `postgres` keeps up to 2 of its connections/
    expect(() => postgres(new Pool({ max: 2 }))).toThrow(sentence)
    expect(() => postgres(bench.sql(1, { max: 2 }))).toThrow(/^Expected the client to have a `max` of at least 3, got 2/)
    for (const wrong of [undefined, null, {}, 'postgres://me:secret@host/db', { connect() {} }]) {
      expect(() => postgres(wrong as unknown as Pool)).toThrow(/^Expected `client` to be a Pool of pg or a client of postgres.js, got/)
    }
  })

  test('a link on which connecting hangs is tried anew, and uses up a few connections only', async () => {
    const proxy = await startProxy(bench.server.port)
    ends.push(() => proxy.close())
    proxy.stall()
    const pool = bench.pool(proxy.port)
    const candidate = stand(postgres(pool))
    const started = candidate.start()
    await started
    expect(candidate.isLeader).toBe(false)
    await until('it was tried again', () => pool.totalCount >= 2)
    expect(pool.totalCount).toBeLessThanOrEqual(4)
    proxy.resume()
    await until('it leads', () => candidate.isLeader)
    await until('the others were given back', () => pool.totalCount - pool.idleCount <= 2)
  })

  test('many calls that are given up leave nothing behind', async () => {
    const pool = bench.pool()
    const store = postgres(pool)
    for (let i = 0; i < 30; i++) {
      const gone = new AbortController()
      const calls = [
        store.acquire(bidFor(fresh()), gone.signal),
        store.read(fresh(), gone.signal),
        store.release(bidFor(fresh()), gone.signal),
        store.watch(fresh(), () => {}, gone.signal),
      ]
      if (i % 3 === 1) await new Promise((resolve) => setImmediate(resolve))
      if (i % 3 === 2) await store.list(calm())
      gone.abort()
      await Promise.allSettled(calls)
    }
    await until('none is left', async () => pool.totalCount - pool.idleCount === 0 && (await bench.connections()) === 0)
    expect(pool.waitingCount).toBe(0)
  })

  test('close() lets go at once, and what waits is told', async () => {
    const pool = bench.pool()
    const store = postgres(pool)
    const watch = store.watch(fresh(), () => {}, new AbortController().signal)
    await store.list(calm())
    const late = store.list(calm())
    await store.close()
    await watch
    await expect(late).rejects.toMatchObject({ code: 'store-unreachable' })
    expect(pool.totalCount - pool.idleCount).toBe(0)
  })

  test.each(['pg', 'pg, ended', 'postgres.js'])('a process over %s ends by itself after the last stop', async (client) => {
    const program = await bundled('ending')
    const { stdout } = await promisify(execFile)(process.execPath, [program, client, String(bench.server.port)], { timeout: 25_000 })
    expect(stdout).toMatch(/^led\nstopped\n$/)
  })

  test('a process ends by itself although the link is dead', async () => {
    const proxy = await startProxy(bench.server.port)
    ends.push(() => proxy.close())
    const program = await bundled('ending')
    const running = promisify(execFile)(process.execPath, [program, 'pg', String(proxy.port), 'slowly'], { timeout: 28_000 })
    await new Promise((resolve) => running.child.stdout?.once('data', resolve))
    proxy.halfOpen()
    running.child.stdin?.write('\n')
    expect((await running).stdout).toBe('led\nstopped\n')
  })

  describe('refusals are one clear line', () => {
    async function refusal(pool: Pool): Promise<TenureError> {
      const candidate = stand(postgres(pool))
      const outcome = await candidate.start().then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      if (!(outcome instanceof TenureError)) throw new Error('start() did not reject')
      expect(outcome.message).not.toMatch(/\n|hunter2/)
      return outcome
    }

    test('a wrong password', async () => {
      await bench.admin.query("CREATE ROLE locked LOGIN PASSWORD 'right'")
      await bench.hba('host all locked 127.0.0.1/32 scram-sha-256')
      const { port } = bench.server
      const refused = async () => {
        const pool = bench.pool(port, { user: 'locked' })
        return pool.connect().then(
          (client) => client.release(true) ?? false,
          () => true,
        )
      }
      await until('the server has read its rules', refused)
      const wrong = await refusal(bench.pool(port, { user: 'locked', password: 'hunter2' }))
      expect(wrong.code).toBe('store-denied')
      expect(wrong.message).toMatch(/^postgres: connecting failed: password authentication failed for user "locked" \(28P01\). Check/)
      const none = await refusal(bench.pool(port, { user: 'locked' }))
      expect(none.code).toBe('store-denied')
      const sql = postgres(bench.sql(port, { user: 'locked', password: 'hunter2' }))
      await expect(stand(sql).start()).rejects.toMatchObject({ code: 'store-denied' })
    })

    test('no rights on the table', async () => {
      await bench.admin.query('CREATE ROLE guest LOGIN')
      const error = await refusal(bench.pool(bench.server.port, { user: 'guest' }))
      expect(error.code).toBe('store-denied')
      expect(error.message).toMatch(/permission denied for table tenure_lease \(42501\). Grant SELECT, INSERT and UPDATE/)
      const store = postgres(bench.pool(bench.server.port, { user: 'guest' }))
      await expect(store.ensureSchema()).resolves.toBeUndefined()
    })

    test('a missing table, an unlogged one, and one that is not ours', async () => {
      await bench.admin.query('CREATE DATABASE other')
      const other = { database: 'other' }
      const pool = bench.pool(bench.server.port, other)
      const missing = await refusal(bench.pool(bench.server.port, other))
      expect(missing.code).toBe('store-unfit')
      expect(missing.message).toBe(
        'postgres: the table tenure_lease is missing. Call ensureSchema() of the store once, or run the SQL that `tenure ddl --store postgres://...` prints',
      )
      await postgres(pool).ensureSchema()
      await pool.query('ALTER TABLE tenure_lease SET UNLOGGED')
      const unlogged = await refusal(bench.pool(bench.server.port, other))
      expect(unlogged).toMatchObject({ code: 'store-unfit', message: /unlogged, so that a crash empties it. Run ALTER TABLE/ })
      await pool.query('DROP TABLE tenure_lease; CREATE TABLE tenure_lease (id int)')
      const foreign = await refusal(bench.pool(bench.server.port, other))
      expect(foreign).toMatchObject({ code: 'store-unfit', message: /a table tenure_lease that is not ours/ })
    })

    test('a database that does not exist', async () => {
      const error = await refusal(bench.pool(bench.server.port, { database: 'nowhere' }))
      expect(error).toMatchObject({ code: 'store-unfit', message: /database "nowhere" does not exist \(3D000\). Check the name/ })
    })

    test('an unknown host, and a port where nobody listens, are not given up', async () => {
      // A name with an empty part is unknown at once, without a server of names that could be late.
      for (const config of [{ host: 'nowhere..invalid' }, { host: '127.0.0.1', port: 1 }]) {
        const pool = new Pool({ user: 'me', password: 'hunter2', database: 'db', ...config })
        ends.push(() => pool.end())
        const candidate = stand(postgres(pool))
        const told: TenureError[] = []
        candidate.on('trouble', (error) => told.push(error))
        await candidate.start()
        expect(told[0]?.code).toBe('store-unreachable')
        expect(told[0]?.message).toMatch(/^postgres: connecting failed: .*(nowhere\.\.invalid|127.0.0.1:1)/)
        expect(told[0]?.message).not.toContain('hunter2')
      }
    })

    test('ensureSchema() without the right to make tables', async () => {
      await bench.admin.query('CREATE DATABASE bare')
      await bench.admin.query('CREATE ROLE builder LOGIN')
      const store = postgres(bench.pool(bench.server.port, { database: 'bare', user: 'builder' }))
      await expect(store.ensureSchema()).rejects.toMatchObject({ code: 'store-denied', message: /ensureSchema needs CREATE/ })
    })
  })

  test('the schema is made by several at once, and what is there is left alone', async () => {
    await bench.admin.query('CREATE DATABASE busy')
    const stores = Array.from({ length: 6 }, () => postgres(bench.pool(bench.server.port, { database: 'busy' })))
    const operator = bench.pool(bench.server.port, { database: 'busy' })
    for (let round = 0; round < 10; round++) {
      await operator.query('DROP TABLE IF EXISTS tenure_lease, tenure_memo, tenure_fence')
      await Promise.all(stores.map((store) => store.ensureSchema()))
    }
    const bid = bidFor(fresh())
    await stores[0]?.acquire(bid, calm())
    await stores[1]?.ensureSchema()
    expect((await stores[2]?.read(bid.election, calm()))?.holder).toBe(bid.holder)
  })

  test('rights that are taken away while leading: told, deposed by the deadline, and leading again when they are back', async () => {
    await bench.admin.query('CREATE ROLE worker LOGIN')
    await bench.admin.query('GRANT SELECT, INSERT, UPDATE ON tenure_lease TO worker')
    const candidate = new Candidate({
      store: postgres(bench.pool(bench.server.port, { user: 'worker' })),
      election: fresh(),
      ttlMs: 4000,
    })
    ends.push(() => candidate.stop())
    const told = new Set<string>()
    candidate.on('trouble', ({ code }) => void told.add(code))
    await candidate.start()
    await until('it leads', () => candidate.isLeader)
    await bench.admin.query('REVOKE UPDATE ON tenure_lease FROM worker')
    await until('it is deposed', () => !candidate.isLeader)
    expect(told).toContain('store-denied')
    await bench.admin.query('GRANT UPDATE ON tenure_lease TO worker')
    await until('it leads again', () => candidate.isLeader)
  })

  test('a connection that waits for a lock when its caller gives up is destroyed, and the lock is not waited for for ever', async () => {
    const store = bench.store()
    const bid = bidFor(fresh(), { ttlMs: 12_000 })
    await store.acquire(bid, calm())
    const operator = await clientAt(bench.server.port)
    await operator.query('BEGIN')
    await operator.query('SELECT FROM tenure_lease WHERE name = $1 FOR UPDATE', [bid.election])
    const waits = async () => {
      const { rows } = await bench.admin.query("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
      return rows.length > 0
    }
    const gone = new AbortController()
    const release = store.release(bid, gone.signal)
    await until('it waits', waits)
    gone.abort()
    await expect(release).rejects.toThrow()
    await until('it has ended at the server', async () => !(await waits()))
    await operator.end()
  })
})
