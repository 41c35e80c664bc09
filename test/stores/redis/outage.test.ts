/** Links that stall, servers that freeze, pause and die, requests that come twice: nobody believes who should not. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { redis } from '../../../src/stores/redis.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { type Server, until } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { Believers, connectionsAt, drivers, operating, patient } from './lab.ts'

const TTL = 600

describe.skipIf(!findServer('redis')).each(drivers)('%s', (_name, client) => {
  let server: Server
  let proxy: TcpProxy
  let believers: Believers
  beforeEach(async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
    proxy = await startProxy(server.port)
    believers = new Believers()
  })
  afterEach(async () => {
    await believers.stop()
    await proxy.close()
    await server.close()
  })

  test('the link of the leader stalls for three ttl', async () => {
    const a = believers.add(redis(client(proxy.port)), { ttlMs: TTL })
    await a.start()
    await believers.leader()
    // What has to run out is the lease of the first alone.
    const b = believers.add(redis(client(server.port)), { ttlMs: 10_000 })
    await b.start()
    proxy.stall()
    expect(await believers.leader(a)).toBe(b)
    // The stall itself: it has to last for longer than whatever the first was granted, and there is nothing to hear in it.
    await new Promise((resolve) => setTimeout(resolve, 2 * TTL))
    proxy.resume()
    await until('the stalled one has heard who leads', () => a.leader?.candidate === b.id)
    expect(believers.overlaps).toBe(0)
    expect(believers.grows).toBe(true)
  })

  test('a half-open link is replaced before the lease is lost', async () => {
    const a = believers.add(redis(client(proxy.port)), { ttlMs: 10_000, renewMs: 500, callMs: 500 })
    await a.start()
    await believers.leader()
    let renewals = 0
    proxy.halfOpen()
    a.on('renewed', () => void renewals++)
    // The first may have been on its way before the link went silent.
    await until('it is renewed over another connection', () => renewals >= 2)
    expect(a.isLeader).toBe(true)
    expect(believers.tokens).toHaveLength(1)
  })

  test('the server freezes for longer than a ttl', async () => {
    for (let i = 0; i < 3; i++) await believers.add(redis(client(server.port)), { ttlMs: TTL }).start()
    await believers.leader()
    server.freeze()
    await until('nobody leads', () => believers.all.every((candidate) => !candidate.isLeader))
    // The server's clock goes on: the lease it holds runs out in its sleep.
    await new Promise((resolve) => setTimeout(resolve, TTL))
    server.thaw()
    await believers.leader()
    expect(believers.overlaps).toBe(0)
    expect(believers.grows).toBe(true)
    // Connections that were given up meanwhile are gone: one for calls and one for news each.
    await until('no more connections than needed', async () => (await connectionsAt(server.port)) <= 6)
  })

  test('all clients are paused for longer than a ttl', async () => {
    for (let i = 0; i < 2; i++) await believers.add(redis(client(server.port)), { ttlMs: TTL }).start()
    const { tenure } = await believers.leader()
    await operating(server.port, (operator) => operator.client('PAUSE', 3 * TTL))
    await until('whoever led has stepped down', () => tenure?.held !== true)
    await believers.leader()
    expect(believers.overlaps).toBe(0)
    expect(believers.grows).toBe(true)
  })

  test('the server is killed and restarted, and has forgotten nothing', async () => {
    const [a, b] = [0, 1].map(() => believers.add(redis(client(server.port)), { ttlMs: 20_000 }))
    await a?.start()
    await b?.start()
    const [token] = believers.tokens
    await server.restart('SIGKILL')
    const store = redis(client(server.port))
    const kept = await store.read(believers.election, patient())
    expect(kept?.fencingToken).toBe(token)
    await new Promise<void>((resolve) => a?.on('renewed', () => resolve()))
    expect(a?.tenure?.fencingToken).toBe(token)
    expect(believers.overlaps).toBe(0)
    await store.close?.()
  })

  test('every answer is lost for a while', async () => {
    for (let i = 0; i < 2; i++) await believers.add(redis(client(proxy.port)), { ttlMs: TTL }).start()
    await believers.leader()
    proxy.dropAnswers()
    await until('nobody leads', () => believers.all.every((candidate) => !candidate.isLeader))
    // A bid that was granted without our hearing of it runs out: answers come back to a store that has forgotten it.
    await new Promise((resolve) => setTimeout(resolve, TTL))
    proxy.resume()
    await believers.leader()
    expect(believers.overlaps).toBe(0)
    expect(believers.grows).toBe(true)
  })

  test('stop() is bounded while the server hangs', async () => {
    const a = believers.add(redis(client(proxy.port)), { ttlMs: TTL })
    await a.start()
    await believers.leader()
    proxy.stall()
    await a.stop()
    expect(a.isLeader).toBe(false)
    proxy.resume()
    await until('no connection is left', async () => (await connectionsAt(server.port)) === 0)
  })
})
