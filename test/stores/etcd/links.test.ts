/** Links to etcd that go half open: nobody is told, nothing passes, and a new connection would work. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { storeAt, until } from './lab.ts'

describe.skipIf(!findServer('etcd'))('a half-open link', { timeout: 120_000 }, () => {
  let server: Server
  let proxy: TcpProxy
  const candidates: Candidate[] = []
  beforeEach(async () => {
    server = await startEtcd()
    proxy = await startProxy(server.port)
  })
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await proxy.close()
    await server.close()
  })

  function stand(port: number, ttlMs: number): Candidate {
    const candidate = new Candidate({ store: storeAt(port), election: 'half-open', ttlMs })
    candidate.on('trouble', () => {})
    candidates.push(candidate)
    return candidate
  }

  test('of the leader costs a connection, not the tenure', async () => {
    const a = stand(proxy.port, 15_000)
    await a.start()
    const token = a.tenure?.fencingToken
    proxy.halfOpen()
    let renewals = 0
    a.on('renewed', () => {
      renewals += 1
    })
    await until('it was renewed twice', () => renewals >= 2)
    expect(a.tenure?.fencingToken).toBe(token)
  })

  test('of a follower: it leads all the same when the leader has gone', async () => {
    const a = stand(server.port, 4000)
    const b = stand(proxy.port, 4000)
    await a.start()
    await b.start()
    proxy.halfOpen()
    await a.stop()
    await until('the follower leads', () => b.isLeader, 60_000)
  })
})
