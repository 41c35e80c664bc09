import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { examine, fenced } from '../../../src/stores/etcd.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { ask, bidFor, leasesOf, patient, storeAt } from './lab.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

describe.skipIf(!findServer('etcd'))('beside the store', () => {
  let server: Server
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())

  test('the example of fencing refuses the stale writer', async () => {
    const outfile = join(server.directory, 'example.mjs')
    const entryPoints = [join(root, 'examples', 'fencing-etcd.ts')]
    await build({ entryPoints, bundle: true, platform: 'node', format: 'esm', target: 'node20', outfile, logLevel: 'silent' })
    const { stdout } = await promisify(execFile)(process.execPath, [outfile, `http://127.0.0.1:${server.port}`], { timeout: 25_000 })
    expect(stdout.trim().split('\n')).toEqual([
      'first leads, writes: true',
      'first writes late: false',
      'second leads, writes: true',
      'second writes after its end: false',
    ])
  })

  async function passes(compare: readonly object[]): Promise<boolean> {
    const answer = await ask<{ succeeded?: boolean }>(server.port, '/v3/kv/txn', { compare })
    return answer.succeeded === true
  }

  test('with interop the comparison names the very key, whoever queues behind it', async () => {
    const store = storeAt(server.port, { interop: true })
    const bid = bidFor('fenced', { ttlMs: 60_000 })
    const lease = await store.acquire(bid, patient())
    const tenure = { election: 'fenced', fencingToken: lease?.fencingToken ?? 0 }
    const { ID } = await ask<{ ID: string }>(server.port, '/v3/lease/grant', { TTL: '60' })
    const key = Buffer.from('fenced/other').toString('base64')
    await ask(server.port, '/v3/kv/put', { key, value: 'b3RoZXI=', lease: ID })
    const compare = store.fenced(tenure)
    expect(await passes(compare)).toBe(true)
    await store.release(bid, patient())
    expect(await passes(compare)).toBe(false)
    expect(() => store.fenced(tenure)).toThrow(expect.objectContaining({ code: 'stale-token' }))
  })

  test('a token that is none is refused', () => {
    expect(() => fenced({ election: 'e', fencingToken: 0 })).toThrow(/Expected `fencingToken` to be a safe integer, at least 1/)
  })

  test('the examination tells version, members, least ttl and level, and leaves nothing behind', async () => {
    const before = await leasesOf(server.port)
    const { level, facts, findings } = await examine({ endpoints: `http://127.0.0.1:${server.port}` }, patient())
    const fact = (name: string) => facts.find((each) => each.name === name)?.value
    expect(level).toBe('A')
    expect(fact('version')).toMatch(/^3\.\d+\.\d+/)
    expect(fact('members')).toBe('1')
    expect(fact('least ttl')).toMatch(/^\d+ s$/)
    expect(findings.map(({ severity }) => severity)).not.toContain('error')
    expect(findings.some(({ advice }) => advice.includes('--bump-revision'))).toBe(true)
    expect(await leasesOf(server.port)).toEqual(before)
  })

  test('the level falls where a member that ceased to lead may revoke leases', async () => {
    const answers: Record<string, unknown> = {
      '/v3/cluster/member/list': { members: [{}, {}, {}] },
      '/v3/kv/range': {},
      '/v3/lease/grant': { ID: '1', TTL: '2' },
      '/v3/lease/revoke': {},
    }
    const levelOf = async (version: string) => {
      const fetch = async (url: string) => {
        const path = new URL(url).pathname
        return new Response(JSON.stringify(path === '/v3/maintenance/status' ? { version } : answers[path]))
      }
      return (await examine({ endpoints: 'http://127.0.0.1:1', fetch }, patient())).level
    }
    expect(await Promise.all(['3.4.23', '3.4.30', '3.5.12', '3.5.0-rc.1'].map(levelOf))).toEqual(['B', 'B', 'B', 'B'])
    expect(await Promise.all(['3.4.31', '3.5.13', '3.5.27', '3.6.0', '3.7.1', '4.0.0'].map(levelOf))).toEqual(Array(6).fill('A'))
  })
})
