/** Servers and clients that cannot serve, credentials that do not suffice, keys that are not ours: one clear line each. */

import { readFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { createServer as createTls } from 'node:tls'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Candidate, type Tenure, TenureError } from '../../../src/index.ts'
import { runOnce } from '../../../src/once.ts'
import { failureOf, isStale, RIGHTS } from '../../../src/stores/redis/failures.ts'
import { keysOf } from '../../../src/stores/redis/keys.ts'
import { fenced, redis } from '../../../src/stores/redis.ts'
import { startCluster } from '../../harness/redis.ts'
import { freePort, type Server, until } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { Believers, bidFor, drivers, electionName, faulty, type Open, operating, outcome, patient, storeAt, wins } from './lab.ts'

const always = ['--appendonly', 'yes', '--appendfsync', 'always']
const user = { username: 'app', password: 'sesame-4711' }

describe.skipIf(!findServer('redis'))('a store that cannot serve says why', () => {
  let server: Server
  beforeAll(async () => {
    server = await startRedis(...always)
  })
  afterAll(() => server?.close())
  afterEach(() => operating(server.port, (operator) => operator.flushall()))

  describe.each(drivers)('%s', (_name, client) => {
    test('a wrong password', async () => {
      await operating(server.port, (operator) => operator.acl('SETUSER', 'app', 'reset', 'on', '>right', '~*', '&*', '+@all'))
      const candidate = new Candidate({ election: electionName(), store: redis(client(server.port, user)) })
      const refused = await outcome(candidate.start())
      expect(refused).toMatchObject({ code: 'store-denied', message: expect.stringContaining('WRONGPASS') })
      // Reporters of errors follow causes, and print all that hangs on them.
      expect(inspect(refused, { depth: 10, showHidden: true })).not.toContain(user.password)
    })

    test.each([
      ['keys', '~other:*', '&*', '+@all'],
      ['scripts', '~tenure:*', '&tenure:*', '+@all', '-@scripting'],
      ['a command inside of a script', '~tenure:*', '&tenure:*', '+@all', '-pexpire'],
    ])('no rights to %s', async (_what, ...rules) => {
      await operating(server.port, (operator) => operator.acl('SETUSER', 'app', 'reset', 'on', `>${user.password}`, ...rules))
      const candidate = new Candidate({ election: electionName(), store: redis(client(server.port, user)) })
      const refused = await outcome(candidate.start())
      expect(refused).toMatchObject({
        code: 'store-denied',
        message: expect.stringMatching(/tenure doctor.*\+pexpire.*(NOPERM|user executing)/),
      })
      // What was done before the server said no has been undone: nothing is held for ever.
      const { lease } = keysOf('', candidate.election)
      expect(await operating(server.port, (operator) => operator.exists(lease))).toBe(0)
    })

    test('the rights that its page lists suffice', async () => {
      const page = readFileSync(new URL('../../../docs/stores/redis.md', import.meta.url), 'utf8')
      expect(page.replace(/\s+/g, ' ')).toContain(`ACL SETUSER app on >secret ${RIGHTS} `)
      await operating(server.port, (operator) => operator.acl('SETUSER', 'app', 'reset', 'on', `>${user.password}`, ...RIGHTS.split(' ')))
      const store = redis(client(server.port, user))
      const election = electionName()
      const told = new Promise<void>((resolve, reject) => {
        store.watch?.(election, resolve, patient()).catch(reject)
      })
      const bid = await wins(store, election)
      expect(await store.renew(bid, patient())).toBe(bid.ttlMs)
      expect((await store.read(election, patient()))?.holder).toBe(bid.holder)
      expect(await store.list?.(patient())).toContain(election)
      await store.release(bid, patient())
      await told
      await store.close?.()
    })

    test('with those that it lists for runOnce and fenced they suffice as well', async () => {
      const rules = [...RIGHTS.split(' '), '+get', '+set']
      await operating(server.port, (operator) => operator.acl('SETUSER', 'app', 'reset', 'on', `>${user.password}`, ...rules, '~app:*'))
      const store = redis(client(server.port, user))
      const writer = new Redis({ port: server.port, host: '127.0.0.1', ...user })
      const election = electionName()
      const write = (tenure: Tenure) => fenced(writer, tenure, [['SET', `app:${election}`, 'done']])
      expect(await runOnce(election, write, { store, version: 1 })).toMatchObject({ ran: true })
      expect(await runOnce(election, write, { store, version: 1 })).toEqual({ ran: false })
      await store.close?.()
      writer.disconnect()
    })

    test('credentials revoked while leading, and given back', async () => {
      const grant = () =>
        operating(server.port, (operator) => operator.acl('SETUSER', 'app', 'reset', 'on', `>${user.password}`, '~*', '&*', '+@all'))
      await grant()
      const believers = new Believers()
      const a = believers.add(redis(client(server.port, user)), { ttlMs: 1000 })
      const denied = new Promise<void>((resolve) => {
        a.on('trouble', (error) => {
          if (error.code === 'store-denied') resolve()
        })
      })
      await a.start()
      await believers.leader()
      await operating(server.port, (operator) => operator.acl('DELUSER', 'app'))
      await denied
      await until('nobody leads', () => !a.isLeader)
      await grant()
      await believers.leader()
      expect(believers.grows).toBe(true)
      await believers.stop()
    })

    test('a closed port', async () => {
      const nobody = redis(client(await freePort()))
      const refused = await outcome(nobody.read('e', patient()))
      expect(refused).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining('ECONNREFUSED') })
    })

    test.each(['volatile-lru', 'allkeys-random'])('a server that evicts keys by %s', async (policy) => {
      const evicting = await startRedis(...always, '--maxmemory', '100mb', '--maxmemory-policy', policy)
      try {
        const store = redis(client(evicting.port))
        const candidate = new Candidate({ election: electionName(), store })
        await expect(candidate.start()).rejects.toMatchObject({ code: 'store-unfit', message: expect.stringContaining(policy) })
        const forced = redis(client(evicting.port), { force: true })
        expect((await forced.acquire(bidFor(electionName()), patient()))?.remainingMs).toBeGreaterThan(0)
        await forced.close?.()
      } finally {
        await evicting.close()
      }
    })

    test('a server whose memory is full: who leads goes on, and nobody is elected', async () => {
      const full = await startRedis(...always)
      try {
        const store = redis(client(full.port))
        const bid = await wins(store, electionName())
        // Less than it takes by itself.
        await operating(full.port, (operator) => operator.config('SET', 'maxmemory', '100kb'))
        expect(await store.renew(bid, patient())).toBe(bid.ttlMs)
        const refused = await outcome(store.acquire(bidFor(electionName()), patient()))
        expect(refused).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining('OOM') })
        await store.release(bid, patient())
        expect(await store.read(bid.election, patient())).toBeUndefined()
        await store.close?.()
      } finally {
        await full.close()
      }
    })

    test('a server that is part of a Cluster, asked by a client for one server', async () => {
      const cluster = await startCluster()
      try {
        const store = redis(client(cluster.nodes[0]?.port ?? 0))
        const answers = await Promise.all(Array.from({ length: 20 }, () => outcome(store.read(electionName(), patient()))))
        const refused = answers.find((answer) => answer instanceof Error)
        expect(refused).toMatchObject({ code: 'store-unfit', message: expect.stringContaining('Cluster') })
        await store.close?.()
      } finally {
        await cluster.close()
      }
    })

    test('a replica: nobody stands, and nothing is read that may be old', async () => {
      const replica = await startRedis('--replicaof', '127.0.0.1', String(server.port))
      try {
        const store = redis(client(replica.port))
        const unfit = { code: 'store-unfit', message: 'redis: the server is a read replica. Connect to the primary' }
        await expect(new Candidate({ election: electionName(), store }).start()).rejects.toMatchObject(unfit)
        expect(await outcome(store.read(electionName(), patient()))).toMatchObject(unfit)
        await store.close?.()
      } finally {
        await replica.close()
      }
    })

    test('a replica that does not tell that it is one: whatever it refuses is tried again', async () => {
      const replica = await startRedis('--replicaof', '127.0.0.1', String(server.port))
      await operating(replica.port, (operator) =>
        operator.acl('SETUSER', 'app', 'reset', 'on', `>${user.password}`, '~*', '&*', '+@all', '-info', '-config'),
      )
      try {
        const store = redis(client(replica.port, user), { force: true })
        const refused = await outcome(store.release(bidFor(electionName()), patient()))
        expect(refused).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining('the server has become a replica') })
        await store.close?.()
      } finally {
        await replica.close()
      }
    })

    test('a primary that is made a replica: nobody leads by it, and one does when it is a primary again', async () => {
      const fickle = await startRedis(...always)
      const believers = new Believers()
      try {
        const a = believers.add(redis(client(fickle.port)), { ttlMs: 1000 })
        const codes: string[] = []
        const refused = new Promise<void>((resolve) => {
          a.on('trouble', ({ code }) => {
            codes.push(code)
            if (code === 'store-unfit') resolve()
          })
        })
        await a.start()
        await believers.leader()
        await operating(fickle.port, (operator) => operator.replicaof('127.0.0.1', server.port))
        await refused
        await until('nobody leads', () => !a.isLeader)
        // What was asked on the connection to a primary is of unknown fate.
        expect(codes[0]).toBe('store-unreachable')
        await operating(fickle.port, (operator) => operator.replicaof('NO', 'ONE'))
        await believers.leader()
        expect(believers.grows).toBe(true)
      } finally {
        await believers.stop()
        await fickle.close()
      }
    })
  })

  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
  })
  /** What is listened to by somebody else than Redis, and does not know our language. */
  async function listening(other: NetServer): Promise<number> {
    ends.push(() => new Promise((resolve) => other.close(resolve)))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    return (other.address() as AddressInfo).port
  }

  test.each([
    ['ioredis', (port: number, tls: boolean) => new Redis({ port, host: '127.0.0.1', lazyConnect: true, ...(tls && { tls: {} }) })],
    [
      'node-redis',
      (port: number, tls: boolean) => createClient({ socket: tls ? { port, host: '127.0.0.1', tls } : { port, host: '127.0.0.1' } }),
    ],
  ])('something else than Redis, TLS where there is none, none where there is (%s): asked whether it is meant', async (_name, client) => {
    const places: readonly (readonly [number, boolean])[] = [
      [await listening(createHttp()), false],
      [await listening(createTls()), false],
      [await listening(createHttp()), true],
      [server.port, true],
    ]
    const outcomes = places.map(async ([port, tls]) => {
      const store = redis(client(port, tls))
      const refused = await outcome(store.acquire(bidFor(electionName()), patient()))
      await store.close?.()
      return refused
    })
    for (const refused of await Promise.all(outcomes)) {
      expect(refused).toMatchObject({ code: 'store-unreachable', message: expect.stringMatching(/is it Redis, and with TLS or without\?/) })
    }
  })

  test.each([
    // Redis 6, then 7.0, then 7.2 and Valkey.
    [
      "ERR Error running script (call to f_1): @user_script: 1: @user_script: 1: The user executing the script can't run this command or subcommand",
      'store-denied',
    ],
    ["ERR The user executing the script can't run this command or subcommand script: 1, on @user_script:1.", 'store-denied'],
    ["ERR ACL failure in script: User app has no permissions to run the 'hset' command script: 1, on @user_script:1.", 'store-denied'],
    [
      "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
      'store-unreachable',
    ],
  ])('said of a script, in the words of any version: %s', (words, code) => {
    expect(failureOf('acquire', new Error(words))).toMatchObject({ code, message: expect.stringContaining(words) })
    expect(isStale(new Error(words))).toBe(words.includes('READONLY'))
  })

  // A name so long that the resolver refuses it at once, and asks nobody.
  const nowhere = `nowhere${'x'.repeat(64)}.invalid`

  test.each([
    ['ioredis', () => new Redis({ host: nowhere, lazyConnect: true })],
    ['node-redis', () => createClient({ url: `redis://app:sesame-4711@${nowhere}` })],
  ])('an unknown host (%s)', async (_name, client) => {
    const refused = await outcome(redis(client()).read('e', patient()))
    expect(refused).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining(nowhere) })
    expect(String(refused)).not.toContain('sesame')
  })

  describe('keys that are not ours', () => {
    const strange: readonly (readonly [string, (operator: Redis, keys: { lease: string; token: string }) => Promise<unknown>, string])[] = [
      ['a string for a lease', (operator, { lease }) => operator.set(lease, 'x'), 'WRONGTYPE'],
      ['a string for a token', (operator, { token }) => operator.set(token, 'x'), 'WRONGTYPE'],
      ['a hash of others for a lease', (operator, { lease }) => operator.hset(lease, 'owner', 'x'), 'not ours'],
      ['a hash of others for a token', (operator, { token }) => operator.hset(token, 't', 'x'), 'not ours'],
      ['a lease of another format', (operator, { lease }) => operator.hset(lease, { h: 'x', f: '2' }), 'format 2'],
      ['a token of another format', (operator, { token }) => operator.hset(token, { t: '1', f: '2' }), 'format 2'],
    ]

    test.each(strange)('%s is left alone', async (_what, put, words) => {
      const store = storeAt(server.port)
      const bid = bidFor(electionName())
      const keys = keysOf('', bid.election)
      const all = (operator: Redis) => Promise.all([operator.dump(keys.lease), operator.dump(keys.token)])
      const before = await operating(server.port, async (operator) => {
        await put(operator, keys)
        return all(operator)
      })
      for (const call of [() => store.acquire(bid, patient()), () => store.release(bid, patient())]) {
        expect(await outcome<unknown>(call())).toMatchObject({ code: 'store-unfit', message: expect.stringContaining(words) })
      }
      expect(await operating(server.port, all)).toEqual(before)
      await store.close?.()
    })

    test('one does not stop the renewals of its neighbours', () => neighbours(redis))

    test('planted: one that does', async () => {
      const stopping = await faulty({
        file: 'src/stores/redis/scripts.ts',
        find: "local c = redis.pcall('HMGET', KEYS[i], 'h', 'm')",
        replace: "local c = redis.call('HMGET', KEYS[i], 'h', 'm')",
      })
      await expect(neighbours(stopping, 1)).rejects.toThrow()
    })

    /** Ten leases, one of which somebody has written over, renewed in one turn; by so many scripts at most. */
    async function neighbours(open: Open, most = Number.POSITIVE_INFINITY): Promise<void> {
      const store = open(new Redis(server.port, { lazyConnect: true }))
      const bids = await Promise.all(Array.from({ length: 10 }, () => wins(store, electionName())))
      const [lost, ...others] = bids
      if (!lost) throw new Error('no bids')
      await operating(server.port, (operator) => operator.set(keysOf('', lost.election).lease, 'x'))
      const before = await scriptsRun()
      const [grant, ...grants] = await Promise.all(bids.map((bid) => outcome(store.renew(bid, patient()))))
      const scripts = (await scriptsRun()) - before
      expect(grant).toBeInstanceOf(TenureError)
      expect(grant).toMatchObject({ code: 'store-unfit' })
      expect(grants).toEqual(others.map(({ ttlMs }) => ttlMs))
      // The batch, and the strange one by itself.
      expect(scripts).toBeLessThanOrEqual(Math.min(most, 2))
      await store.close?.()
    }
  })

  async function scriptsRun(): Promise<number> {
    const stats = await operating(server.port, (operator) => operator.info('commandstats'))
    return [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0)
  }

  test.each([
    ['no client', () => redis({} as never), 'client'],
    ['braces in the prefix', () => redis(new Redis({ lazyConnect: true, keyPrefix: '{app}:' })), 'keyPrefix'],
    ['a prefix that is none', () => redis(new Redis({ lazyConnect: true }), { keyPrefix: 7 as never }), 'keyPrefix'],
    ['a broken number of replicas', () => redis(new Redis({ lazyConnect: true }), { replicas: 1.5 }), 'replicas'],
    ['a forced number', () => redis(new Redis({ lazyConnect: true }), { force: 1 as never }), 'force'],
  ])('bad options: %s', (_what, open, option) => {
    expect(open).toThrow(expect.objectContaining({ code: 'bad-option', message: expect.stringContaining(option) }))
  })
})
