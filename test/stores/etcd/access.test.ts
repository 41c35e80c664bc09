import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { encode } from '../../../src/stores/etcd/wire.ts'
import { type EtcdFetch, etcd } from '../../../src/stores/etcd.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { ask, bidFor, counting, patient, storeAt, until } from './lab.ts'

describe('options', () => {
  test.each([
    [{ endpoints: [] }, /Expected `endpoints` to be a URL, or a list of URLs/],
    [{ endpoints: 'localhost:2379' }, /Expected `endpoints` to be URLs like/],
    [{ endpoints: 'http://me:sesame@h:2379' }, /without credentials: give `username` and `password`/],
    [{ endpoints: 'http://h', password: 'sesame' }, /Expected `username` to be a non-empty string/],
    [{ endpoints: 'http://h', username: 'u' }, /Expected `password` to be a string/],
    [{ endpoints: 'http://h', prefix: 'a/' }, /Expected `prefix`/],
    [{ endpoints: 'http://h', prefix: '' }, /Expected `prefix`/],
    [{ endpoints: 'http://h', silenceMs: 0.5 }, /Expected `silenceMs`/],
    [{ endpoints: 'http://h', timeout: 5 }, /Unknown option `timeout`/],
  ])('%o is refused', (options, message) => {
    let text = ''
    try {
      etcd(options as Parameters<typeof etcd>[0])
    } catch (thrown) {
      text = String(thrown)
    }
    expect(text).toMatch(message)
    expect(text).not.toContain('sesame')
  })

  test('the ttl has a least', () => {
    const store = etcd({ endpoints: 'http://127.0.0.1:1' })
    expect(() => new Candidate({ election: 'e', store, ttlMs: 1999 })).toThrow(/at least 2000/)
  })
})

describe('a host that is not there', () => {
  test.each([
    // A name so long that the resolver refuses it at once, and asks nobody.
    [`http://no-such-host${'x'.repeat(64)}.invalid:2379`, /no-such-hostx+\.invalid/],
    ['http://127.0.0.1:1', /127\.0\.0\.1:1: .*(ECONNREFUSED|bad port)/],
  ])('%s: one clear line', async (endpoints, message) => {
    const outcome = etcd({ endpoints }).acquire(bidFor('e'), patient())
    await expect(outcome).rejects.toMatchObject({ code: 'store-unreachable', message: expect.stringMatching(message) })
  })
})

describe.skipIf(!findServer('etcd'))('a server that asks who is there', () => {
  let server: Server
  let root: string
  const login = { username: 'app', password: 'sesame' }

  beforeAll(async () => {
    server = await startEtcd()
    const { port } = server
    for (const name of ['root', 'app', 'guest']) await ask(port, '/v3/auth/user/add', { name, password: 'sesame' })
    for (const name of ['root', 'tenure']) await ask(port, '/v3/auth/role/add', { name })
    await ask(port, '/v3/auth/role/grant', {
      name: 'tenure',
      perm: { permType: 'READWRITE', key: encode('tenure/'), range_end: encode('tenure0') },
    })
    await ask(port, '/v3/auth/user/grant', { user: 'root', role: 'root' })
    await ask(port, '/v3/auth/user/grant', { user: 'app', role: 'tenure' })
    await ask(port, '/v3/auth/enable')
    root = await tokenOf('root')
  })
  afterAll(() => server?.close())

  async function tokenOf(name: string): Promise<string> {
    return (await ask<{ token: string }>(server.port, '/v3/auth/authenticate', { name, password: 'sesame' })).token
  }

  test('a wrong password is denied in one line that does not repeat it, and start() rejects', async () => {
    const store = storeAt(server.port, { username: 'app', password: 'swordfish' })
    const candidate = new Candidate({ election: 'e', store })
    const refused = expect.objectContaining({ code: 'store-denied', message: expect.stringMatching(/^etcd: 127.*authentication failed/) })
    await expect(candidate.start()).rejects.toEqual(refused)
    await candidate.start().catch((thrown) => expect(String(thrown)).not.toContain('swordfish'))
    await candidate.stop()
  })

  test('no credentials: denied, and it says what to give', async () => {
    const outcome = storeAt(server.port).acquire(bidFor('e'), patient())
    await expect(outcome).rejects.toMatchObject({ code: 'store-denied', message: expect.stringContaining('`username` and `password`') })
    const watch = storeAt(server.port).watch?.('e', () => {}, patient())
    await expect(watch).rejects.toMatchObject({ code: 'store-denied' })
  })

  test('no rights: denied', async () => {
    const store = storeAt(server.port, { username: 'guest', password: 'sesame' })
    await expect(store.acquire(bidFor('e'), patient())).rejects.toMatchObject({ code: 'store-denied', message: /permission denied/ })
    await expect(store.watch?.('e', () => {}, patient())).rejects.toMatchObject({ code: 'store-denied' })
  })

  test('rights for the prefix are enough; a token that has died is replaced, for calls and for watches', async () => {
    const { fetch, paths } = counting()
    const store = storeAt(server.port, { ...login, fetch, silenceMs: 300 })
    const bid = bidFor('token', { ttlMs: 60_000 })
    const controller = new AbortController()
    let nudges = 0
    const watch = store.watch?.(
      'token',
      () => {
        nudges += 1
      },
      controller.signal,
    )
    // Cut by the restart: lost, or ended by us, whichever comes first.
    const ended = watch?.catch((thrown: unknown) => expect(thrown).toMatchObject({ code: 'store-unreachable' }))
    await until('the watch is in place', () => nudges === 1)
    expect((await store.acquire(bid, patient()))?.holder).toBe(bid.holder)
    // Tokens do not outlive the server. Stopped cleanly: after a crash the log is replayed, logins included.
    await server.restart('SIGTERM')
    root = await tokenOf('root')
    const logins = paths.filter((path) => path.endsWith('/authenticate')).length
    expect((await store.read('token', patient()))?.holder).toBe(bid.holder)
    expect(await store.renew(bid, patient())).toBe(60_000)
    expect(paths.filter((path) => path.endsWith('/authenticate')).length).toBeGreaterThan(logins)
    controller.abort()
    await ended
    await store.release(bid, patient())
  })

  test('many calls need one login', async () => {
    const { fetch, paths } = counting()
    const store = storeAt(server.port, { ...login, fetch })
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.read(`e${i}`, patient())))
    expect(paths.filter((path) => path.endsWith('/authenticate'))).toHaveLength(1)
  })

  test('rights revoked while leading: no second leader, and trouble says so', async () => {
    const store = storeAt(server.port, login)
    const bid = bidFor('rights', { ttlMs: 60_000 })
    await store.acquire(bid, patient())
    await ask(server.port, '/v3/auth/user/revoke', { name: 'app', role: 'tenure' }, root)
    await expect(store.release(bid, patient()).then(() => store.read('rights', patient()))).rejects.toMatchObject({ code: 'store-denied' })
    await expect(store.acquire(bidFor('rights'), patient())).rejects.toMatchObject({ code: 'store-denied' })
    await ask(server.port, '/v3/auth/user/grant', { user: 'app', role: 'tenure' }, root)
  })
})

test.skipIf(!findServer('etcd'))('credentials for a server that asks for none are no fault', async () => {
  const server = await startEtcd()
  try {
    const store = storeAt(server.port, { username: 'app', password: 'sesame' })
    const bid = bidFor('open')
    expect((await store.acquire(bid, patient()))?.holder).toBe(bid.holder)
    await store.release(bid, patient())
  } finally {
    await server.close()
  }
})

describe.skipIf(!findServer('etcd') || !hasOpenssl())('TLS with certificates of our own', () => {
  let server: Server
  let folder: string
  const read = (name: string) => readFileSync(join(folder, name))

  beforeAll(async () => {
    server = await startEtcd()
    folder = server.directory
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=tenure test CA')
    for (const [name, usage] of [
      ['server', 'serverAuth,clientAuth'],
      ['client', 'clientAuth'],
    ] as const) {
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
      execFileSync('sh', ['-c', `printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=${usage}\\n' > ${name}.ext`], { cwd: folder })
      const sign = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`]
      openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...sign)
    }
  })
  afterAll(() => server?.close())

  async function secured(use: (endpoint: string) => Promise<void>): Promise<void> {
    const client = await startEtcdTls(folder)
    try {
      await use(`https://127.0.0.1:${client.port}`)
    } finally {
      await client.close()
    }
  }

  test('a `fetch` that knows them is all it takes, watch included; without, one line says what is wrong', async () => {
    await secured(async (endpoints) => {
      const certificates = { ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key') }
      const store = etcd({ endpoints, fetch: fetchWith(certificates) })
      const controller = new AbortController()
      let nudges = 0
      const changed = () => {
        nudges += 1
      }
      const watch = store.watch?.('tls', changed, controller.signal)
      await until('the watch is in place', () => nudges === 1)
      const bid = bidFor('tls', { ttlMs: 60_000 })
      expect((await store.acquire(bid, patient()))?.holder).toBe(bid.holder)
      await until('the win is told', () => nudges === 2)
      expect(await store.renew(bid, patient())).toBe(60_000)
      await store.release(bid, patient())
      controller.abort()
      await watch

      const unknownCa = etcd({ endpoints }).read('tls', patient())
      await expect(unknownCa).rejects.toMatchObject({
        code: 'store-denied',
        message: expect.stringMatching(/TLS failed.*NODE_EXTRA_CA_CERTS/),
      })
      const nobody = etcd({ endpoints, fetch: fetchWith({ ca: read('ca.pem') }) }).read('tls', patient())
      await expect(nobody).rejects.toThrow(/etcd: 127\.0\.0\.1/)
    })
  })
})

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A member that serves TLS and wants a certificate of its clients. */
async function startEtcdTls(folder: string): Promise<Server> {
  const { startServer, freePort } = await import('../../harness/server.ts')
  const peer = `http://127.0.0.1:${await freePort()}`
  return startServer({
    name: 'etcd-tls',
    bin: findServer('etcd') ?? '',
    args: (directory, port) => {
      const url = `https://127.0.0.1:${port}`
      const urls = ['--listen-client-urls', url, '--advertise-client-urls', url, '--listen-peer-urls', peer]
      const peers = ['--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`]
      const file = (name: string) => join(folder, name)
      const tls = ['--cert-file', file('server.pem'), '--key-file', file('server.key'), '--trusted-ca-file', file('ca.pem')]
      return [
        '--data-dir',
        join(directory, 'data'),
        ...urls,
        ...peers,
        ...tls,
        '--client-cert-auth',
        '--unsafe-no-fsync',
        '--logger',
        'zap',
      ]
    },
    ready: async (port) => {
      const read = (name: string) => readFileSync(join(folder, name))
      const ask = fetchWith({ ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key') })
      const signal = AbortSignal.timeout(2000)
      const range = { method: 'POST', headers: {}, body: JSON.stringify({ key: 'AA==' }), signal }
      const answer = await ask(`https://127.0.0.1:${port}/v3/kv/range`, range)
      return answer.status === 200
    },
  })
}

/** As much of `fetch` as the store uses, over node:https. */
function fetchWith(tls: { ca: Buffer; cert?: Buffer; key?: Buffer }): EtcdFetch {
  return (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const asked = request(url, { method, headers, signal, ...tls }, (answer) => {
        const stream = Readable.toWeb(answer) as ReadableStream<Uint8Array>
        const response = new Response(stream, { status: answer.statusCode ?? 500 })
        resolve(response)
      })
      asked.on('error', reject)
      asked.end(body)
    })
}
