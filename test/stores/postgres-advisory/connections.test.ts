import { execFile } from 'node:child_process'
import { type AddressInfo, createServer } from 'node:net'
import { promisify } from 'node:util'
import { Pool } from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { Candidate, type LeaseStore, TenureError } from '../../../src/index.ts'
import { postgres } from '../../../src/stores/postgres.ts'
import { postgresAdvisory } from '../../../src/stores/postgres-advisory.ts'
import { startPgbouncer, startStandby } from '../../harness/postgres.ts'
import { startProxy } from '../../harness/proxy.ts'
import { type Server, until } from '../../harness/server.ts'
import { findServer } from '../../harness/servers.ts'
import { bundled } from '../postgres/process.ts'
import { available, Bench, bidFor, calm, fresh, holder, holders, storeOf, storeOverJs, waiters } from './bench.ts'

describe.skipIf(!available)('connections', () => {
  const bench = Bench.use()
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    await bench.clear()
    // Their locks are counted.
    await bench.disconnected()
  })

  function stand(store: LeaseStore, election = fresh(), ttlMs = 15_000): Candidate {
    const candidate = new Candidate({ store, election, ttlMs })
    candidate.on('trouble', () => {})
    ends.push(() => candidate.stop())
    return candidate
  }

  test('one for leaders, two for followers, four at most, none after the last stop', async () => {
    const [first, second] = [bench.pool(undefined, { max: 5 }), bench.pool(undefined, { max: 5 })]
    const elections = Array.from({ length: 12 }, () => fresh())
    const one = postgresAdvisory(first)
    const all = elections.map((election) => stand(one, election))
    await Promise.all(all.map((candidate) => candidate.start()))
    await until('all lead', () => all.every(({ isLeader }) => isLeader))
    expect(first.totalCount).toBe(1)
    const two = postgresAdvisory(second)
    const followers = elections.map((election) => stand(two, election))
    await Promise.all(followers.map((candidate) => candidate.start()))
    await until('it waits', async () => (await waiters(bench)) === 1)
    expect(second.totalCount).toBe(2)
    // Won one after the other, so that each is won where it was waited for.
    for (const candidate of all) {
      await candidate.stop()
      expect(second.totalCount).toBeLessThanOrEqual(4)
    }
    await until('the others lead', () => followers.every(({ isLeader }) => isLeader))
    await Promise.all(followers.map((candidate) => candidate.stop()))
    await until('none is left', async () => first.totalCount + second.totalCount === 0 && (await bench.connections()) === 0)
  })

  test('over postgres.js, too', async () => {
    const store = storeOverJs(bench)
    const election = fresh()
    const [leader, follower] = [stand(store, election), stand(storeOverJs(bench), election)]
    await leader.start()
    await follower.start()
    await until('it waits', async () => (await waiters(bench)) === 1)
    await bench.admin.query('SELECT pg_terminate_backend($1)', [await holder(bench)])
    await until('one leads', () => follower.isLeader !== leader.isLeader)
    await Promise.all([leader.stop(), follower.stop()])
    await until('none is left', async () => (await bench.connections()) === 0)
  })

  test('the lock is free the moment stop() resolves, although the pool lives on', async () => {
    const pool = bench.pool(undefined, { max: 5 })
    const leader = stand(postgresAdvisory(pool))
    await leader.start()
    expect((await holders(bench)).length).toBe(1)
    await leader.stop()
    expect(await holders(bench)).toEqual([])
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('what a store has set on a connection never reaches the owner of the pool', async () => {
    const pool = bench.pool(undefined, { max: 5 })
    const candidate = stand(postgresAdvisory(pool))
    await candidate.start()
    await candidate.stop()
    await until('it was given back', () => pool.totalCount === 0)
    const names = ['application_name', 'idle_session_timeout', 'lock_timeout', 'plan_cache_mode', 'tcp_user_timeout']
    const { rows } = await pool.query('SELECT name, setting FROM pg_settings WHERE name = ANY($1) ORDER BY name', [names])
    expect(rows.map(({ setting }) => setting)).toEqual(['', '0', '0', 'auto', '0'])
  })

  test('a pool that is too small is refused with that sentence; so is what is no client, and a shared client of postgres.js', () => {
    const sentence = /^Expected the pool to have a `max` of at least 5, got 4 \(number\): store `postgres-advisory` keeps up to 4 of its/
    expect(() => postgresAdvisory(new Pool({ max: 4 }))).toThrow(sentence)
    const shared = bench.sql(1)
    expect(() => postgresAdvisory(shared as unknown as Pool)).toThrow(
      /^Expected `client` to be a Pool of pg, or a function like \(options\) => postgres\(url, options\), got a client of postgres.js: a lock/,
    )
    for (const wrong of [undefined, null, {}, 'postgres://me:secret@host/db']) {
      expect(() => postgresAdvisory(wrong as unknown as Pool)).toThrow(/^Expected `client` to be a Pool of pg, or a function/)
    }
  })

  test('a server that dies in the very instant of a connection', async () => {
    const message = (type: string, body: Buffer) => {
      const head = Buffer.from(`${type}0000`)
      head.writeInt32BE(body.length + 4, 1)
      return Buffer.concat([head, body])
    }
    const dying = createServer((socket) => {
      socket.on('error', () => {})
      const parts = [
        message('R', Buffer.alloc(4)),
        message('Z', Buffer.from('I')),
        message('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mgone\0\0')),
      ]
      socket.once('data', () => socket.end(Buffer.concat(parts)))
    })
    await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve))
    ends.push(() => dying.close())
    const { port } = dying.address() as AddressInfo
    for (const store of [storeOf(bench, port), postgres(bench.pool(port))]) {
      await expect(store.acquire(bidFor(fresh()), calm())).rejects.toMatchObject({ code: 'store-unreachable' })
    }
  })

  test('many calls that are given up leave nothing behind', async () => {
    const pool = bench.pool(undefined, { max: 5 })
    const store = postgresAdvisory(pool)
    for (let i = 0; i < 30; i++) {
      const gone = new AbortController()
      const calls = [
        store.acquire(bidFor(fresh(), { ttlMs: 1000 }), gone.signal),
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
    const pool = bench.pool(undefined, { max: 5 })
    const store = postgresAdvisory(pool)
    const watch = store.watch(fresh(), () => {}, new AbortController().signal)
    await store.list(calm())
    const late = store.list(calm()).catch((error: { code: string }) => error.code)
    await store.close()
    await watch
    expect(await late).toBe('store-unreachable')
    await until('nothing is left', () => pool.totalCount - pool.idleCount === 0)
  })

  test.each(['pg', 'postgres.js'])('a process over %s ends by itself after the last stop', async (client) => {
    const program = await bundled('../postgres-advisory/ending')
    const { stdout } = await promisify(execFile)(process.execPath, [program, client, String(bench.server.port)], { timeout: 25_000 })
    expect(stdout).toBe('led\nstopped\n')
  })

  test('a process ends by itself although the link is dead', async () => {
    const proxy = await startProxy(bench.server.port)
    ends.push(() => proxy.close())
    const program = await bundled('../postgres-advisory/ending')
    const running = promisify(execFile)(process.execPath, [program, 'pg', String(proxy.port), 'dead', 'slowly'], { timeout: 28_000 })
    await new Promise((resolve) => running.child.stdout?.once('data', resolve))
    proxy.halfOpen()
    running.child.stdin?.write('\n')
    expect((await running).stdout).toBe('led\nstopped\n')
  })

  test('kill -9 of the leading process is felt long before its ttl is over', async () => {
    const program = await bundled('../postgres-advisory/ending')
    const election = fresh()
    const running = execFile(process.execPath, [program, 'pg', String(bench.server.port), election, 'slowly'])
    ends.push(() => running.kill('SIGKILL'))
    await until('it leads', async () => (await holders(bench)).length === 1)
    const follower = stand(storeOf(bench), election, 120_000)
    await follower.start()
    await until('it waits', async () => (await waiters(bench)) === 1)
    const from = performance.now()
    running.kill('SIGKILL')
    await until('the follower leads', () => follower.isLeader)
    // It takes some ten milliseconds; a busy machine may take longer, and a ttl takes two minutes.
    expect(performance.now() - from).toBeLessThan(20_000)
  })

  test('SIGSTOP of the leading process: the server frees the lock after the ttl, and it does not lead when it wakes', async () => {
    const program = await bundled('../postgres-advisory/ending')
    const election = fresh()
    const running = execFile(process.execPath, [program, 'pg', String(bench.server.port), election, 'slowly'])
    ends.push(() => running.kill('SIGKILL'))
    await new Promise((resolve) => running.stdout?.once('data', resolve))
    const follower = stand(storeOf(bench), election, 6000)
    await follower.start()
    running.kill('SIGSTOP')
    await until('the follower leads', () => follower.isLeader)
    running.kill('SIGCONT')
    running.stdin?.write('\n')
    await new Promise((resolve) => running.on('exit', resolve))
    expect(follower.isLeader).toBe(true)
  })

  describe('what is refused is one clear line', () => {
    async function refusal(store: LeaseStore): Promise<TenureError> {
      const outcome = await stand(store)
        .start()
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        )
      if (!(outcome instanceof TenureError)) throw new Error('start() did not reject')
      expect(outcome.message).not.toMatch(/\n|hunter2/)
      return outcome
    }

    test.skipIf(!findServer('pgbouncer')).each(['transaction', 'session', 'statement'])('PgBouncer in %s mode', async (mode) => {
      const pooler: Server = await startPgbouncer(bench.server, `pool_mode = ${mode}`)
      ends.push(() => pooler.close())
      const refused = { code: 'store-unfit', message: /a pooler stands before the server. Connect past it, or use lease rows$/ }
      expect(await refusal(storeOf(bench, pooler.port))).toMatchObject(refused)
      expect(await refusal(storeOverJs(bench, pooler.port))).toMatchObject(refused)
      expect(await holders(bench)).toEqual([])
    })

    test('a standby', { timeout: 120_000 }, async () => {
      const standby = await startStandby(bench.server, { options: ['max_connections=300'] })
      ends.push(() => standby.close())
      const store = storeOf(bench, standby.port)
      const refused = { code: 'store-unfit', message: /standby.*Connect to the primary/ }
      expect(await refusal(store)).toMatchObject(refused)
      await expect(store.read(fresh(), calm())).rejects.toMatchObject(refused)
    })

    test('a database that takes no writes, and nothing is left locked', async () => {
      await bench.admin.query('ALTER DATABASE postgres SET default_transaction_read_only = on')
      try {
        const store = storeOf(bench)
        await expect(store.acquire(bidFor(fresh()), calm())).rejects.toMatchObject({ code: 'store-unfit', message: /read_only/ })
        expect(await holders(bench)).toEqual([])
      } finally {
        await bench.admin.query('SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only')
      }
    })

    test('a wrong password', async () => {
      await bench.admin.query("CREATE ROLE locked LOGIN PASSWORD 'right'")
      await bench.hba('host all locked 127.0.0.1/32 scram-sha-256')
      const { port } = bench.server
      const read = async () => {
        const client = await bench
          .pool(port, { user: 'locked' })
          .connect()
          .catch(() => undefined)
        client?.release(true)
        return client === undefined
      }
      await until('the server has read its rules', read)
      const wrong = await refusal(storeOf(bench, port, {}, { user: 'locked', password: 'hunter2' }))
      expect(wrong.code).toBe('store-denied')
      expect(wrong.message).toMatch(/^postgres-advisory: .*password authentication failed for user "locked" \(28P01\). Check/)
    })

    test('no rights on the table, and nothing is left locked', async () => {
      await bench.admin.query('CREATE ROLE guest LOGIN')
      const error = await refusal(storeOf(bench, undefined, {}, { user: 'guest' }))
      expect(error.code).toBe('store-denied')
      expect(error.message).toMatch(/permission denied for table tenure_lease \(42501\). Grant SELECT, INSERT and UPDATE/)
      expect(await holders(bench)).toEqual([])
    })

    test('a missing table, an unlogged one, and one that is not ours', async () => {
      await bench.admin.query('CREATE DATABASE other')
      const pool = bench.pool(undefined, { database: 'other', max: 5 })
      const other = () => storeOf(bench, undefined, {}, { database: 'other' })
      expect(await refusal(other())).toMatchObject({ code: 'store-unfit', message: /the table tenure_lease is missing. Call ensureSchema/ })
      await postgresAdvisory(pool).ensureSchema()
      await pool.query('ALTER TABLE tenure_lease SET UNLOGGED')
      expect(await refusal(other())).toMatchObject({ code: 'store-unfit', message: /unlogged/ })
      await pool.query('DROP TABLE tenure_lease; CREATE TABLE tenure_lease (id int)')
      expect(await refusal(other())).toMatchObject({ code: 'store-unfit', message: /a table tenure_lease that is not ours/ })
    })

    test('an unknown host is not given up', async () => {
      // A name with an empty part is unknown at once, without a server of names that could be late.
      const pool = new Pool({ user: 'me', password: 'hunter2', database: 'db', host: 'nowhere..invalid' })
      ends.push(() => pool.end())
      const candidate = stand(postgresAdvisory(pool))
      const told: TenureError[] = []
      candidate.on('trouble', (error) => told.push(error))
      await candidate.start()
      expect(told[0]?.code).toBe('store-unreachable')
      expect(told[0]?.message).toMatch(/^postgres-advisory: .*nowhere\.\.invalid/)
      expect(told[0]?.message).not.toContain('hunter2')
    })
  })

  test('rights that are taken away while leading: told, deposed by the deadline, and the lock is free although its row cannot be written', async () => {
    await bench.admin.query('CREATE ROLE worker LOGIN')
    await bench.admin.query('GRANT SELECT, INSERT, UPDATE ON tenure_lease TO worker')
    const election = fresh()
    const candidate = stand(storeOf(bench, undefined, {}, { user: 'worker' }), election, 4000)
    const told = new Set<string>()
    candidate.on('trouble', ({ code }) => void told.add(code))
    await candidate.start()
    await until('it leads', () => candidate.isLeader)
    await bench.admin.query('REVOKE ALL ON tenure_lease FROM worker')
    await until('it is told, and deposed', () => told.has('store-denied') && !candidate.isLeader)
    await bench.admin.query('GRANT SELECT, INSERT, UPDATE ON tenure_lease TO worker')
    await until('it leads again', () => candidate.isLeader)
    await bench.admin.query('REVOKE UPDATE ON tenure_lease FROM worker')
    await candidate.stop()
    expect(await holders(bench)).toEqual([])
  })
})
