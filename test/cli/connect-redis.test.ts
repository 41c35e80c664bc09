import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/cli/connect.ts'
import { withLevel } from '../../src/cli/examined.ts'
import { startCluster, startWatched } from '../harness/redis.ts'
import type { Server } from '../harness/server.ts'
import { findServer, startRedis } from '../harness/servers.ts'
import { operating } from '../stores/redis/lab.ts'

describe('redis:// in a URL', () => {
  test.each([
    ['redis://', /Expected a URL like redis:\/\/host:6379/],
    ['redis://me:sesame@h1,h2', /tenure_sentinel=name/],
    ['redis://h/notanumber', /Expected a URL like/],
    ['redis://h?tenure_key=1', /no parameter "tenure_key"/],
    ['redis://h?tenure_cluster=yes', /tenure_cluster to be true or false/],
    ['redis://h?tenure_cluster=true&tenure_replicas=1', /Expected `replicas`/],
    ['redis://h?tenure_replicas=many', /tenure_replicas to be a number/],
    ['redis://h?tenure_prefix={a}', /Expected `keyPrefix`/],
  ])('%s is refused, and says why', async (url, message) => {
    const refused = await connect(url).then(
      () => 'connected',
      (thrown: Error) => thrown.message,
    )
    expect(refused).toMatch(message)
    expect(refused).not.toContain('sesame')
  })

  test('what is shown of it has no password', async () => {
    const { where, close } = await connect('rediss://me:sesame@h:1234/3?tenure_prefix=app:')
    expect(where).toBe('rediss://me:***@h:1234/3')
    await close()
  })
})

describe.skipIf(!findServer('redis'))('a server behind a URL', () => {
  let server: Server
  beforeAll(async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  })
  afterAll(() => server?.close())

  test('is examined, and rehearsed on without a trace', async () => {
    const connected = await connect(`redis://127.0.0.1:${server.port}/2?tenure_prefix=app:`)
    const signal = AbortSignal.timeout(20_000)
    const bid = { election: 'doctor', holder: 'h', candidate: 'c', ttlMs: 2000 }
    const lease = await connected.rehearse?.(async (store) => {
      const won = await store.acquire(bid, signal)
      expect(await connected.store.list?.(signal)).toEqual([])
      await store.release(bid, signal)
      return won
    })
    expect(lease?.holder).toBe('h')
    const found = await connected.examine?.()
    const findings = found && withLevel(found)
    expect(findings?.map(({ level }) => level)).not.toContain('unfit')
    expect(findings?.map(({ text }) => text).join('\n')).toMatch(/synced always.*level A/s)
    await connected.close()
    expect(await operating(server.port, (operator) => operator.call('DBSIZE'))).toBe(0)
    expect(await operating(server.port, async (operator) => operator.info('keyspace'))).not.toContain('db2')
  })

  test('is found through Sentinel, and as a Cluster', { timeout: 90_000 }, async () => {
    const [watched, cluster] = await Promise.all([startWatched(), startCluster()])
    const hosts = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')
    for (const [url, expected] of [
      [`redis://127.0.0.1:${watched.sentinel.port}?tenure_sentinel=main&tenure_replicas=1`, /topology sentinel.*level B/s],
      [`redis://${hosts}?tenure_cluster=true`, /cluster of 3 masters.*level B/s],
    ] as const) {
      const connected = await connect(url)
      const found = await connected.examine?.()
      expect(
        found &&
          withLevel(found)
            .map(({ text }) => text)
            .join('\n'),
      ).toMatch(expected)
      expect(await connected.store.read('nobody', AbortSignal.timeout(20_000))).toBeUndefined()
      await connected.close()
    }
    await Promise.all([watched.close(), cluster.close()])
  })
})
