import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/cli/connect.ts'
import { withLevel } from '../../src/cli/examined.ts'
import { findServer, type Server, startEtcd } from '../harness/servers.ts'

describe('etcd:// in a URL', () => {
  test.each([
    ['etcd://', /Expected a URL like etcd:\/\/host1:2379/],
    ['etcd://h/path', /Expected a URL like/],
    ['etcd://h?tenure_key=1', /no parameter "tenure_key"/],
    ['etcd://h?tenure_interop=yes', /tenure_interop to be true or false/],
    ['etcd://h?tenure_prefix=a/', /Expected `prefix`/],
    ['etcd://me:sesame@h,h:2379?x=1', /Expected a URL like/],
  ])('%s is refused, and says why', async (url, message) => {
    const refused = await connect(url).then(
      () => 'connected',
      (thrown: Error) => thrown.message,
    )
    expect(refused).toMatch(message)
    expect(refused).not.toContain('sesame')
  })

  test('what is shown of it has no password', async () => {
    const { where, close } = await connect('etcds://me:sesame@h1,h2:1234')
    expect(where).toBe('etcds://me:***@h1,h2:1234')
    await close()
  })
})

describe.skipIf(!findServer('etcd'))('a cluster behind a URL', () => {
  let server: Server
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())

  test('is examined, and rehearsed on without a trace among its elections', async () => {
    const connected = await connect(`etcd://127.0.0.1:${server.port}?tenure_prefix=app`)
    const signal = AbortSignal.timeout(10_000)
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
    expect(findings?.map(({ text }) => text).join('\n')).toMatch(/version 3.*level A/s)
    await connected.close()
  })
})
