import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import type { EtcdStore } from '../../../src/stores/etcd.ts'
import { laws, openLab } from '../../../src/testing/index.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { bidFor, keysOf, leasesOf, patient, storeAt, until, winsInTime } from './lab.ts'

const TTL = 3000

describe.skipIf(!findServer('etcd'))('what happens to a server', () => {
  let server: Server
  let proxy: TcpProxy
  const left: (() => Promise<unknown>)[] = []
  beforeEach(async () => {
    server = await startEtcd()
    proxy = await startProxy(server.port)
  })
  afterEach(async () => {
    for (const end of left.splice(0).reverse()) await end()
    await proxy.close()
    await server.close()
  })

  function candidate(store: EtcdStore, election: string, id: string, ttlMs = TTL) {
    const made = new Candidate({ election, store, ttlMs, id })
    const troubles: string[] = []
    made.on('trouble', ({ code }) => troubles.push(code))
    left.push(() => made.stop())
    return { candidate: made, troubles }
  }

  /** Two candidates, of which the first leads and is told apart by its link. */
  async function pair(election: string) {
    const first = candidate(storeAt(proxy.port), election, 'first')
    const second = candidate(storeAt(server.port), election, 'second')
    await first.candidate.start()
    // Its first call may have been late.
    await until('the first leads', () => first.candidate.isLeader)
    await second.candidate.start()
    expect([first.candidate.isLeader, second.candidate.isLeader]).toEqual([true, false])
    let both = 0
    const sampler = setInterval(() => {
      if (first.candidate.isLeader && second.candidate.isLeader) both += 1
    }, 1)
    left.push(async () => clearInterval(sampler))
    return { first, second, overlap: () => both, token: first.candidate.tenure?.fencingToken ?? 0 }
  }

  test.each([
    ['a half-open link', () => proxy.halfOpen()],
    ['a link that stalls', () => proxy.stall()],
    ['a link that loses answers', () => proxy.dropAnswers()],
  ])('%s: the leader steps down by its deadline or comes back by a new connection, never two', async (_, harm) => {
    const { first, second, overlap, token } = await pair('link')
    harm()
    // What was granted before has run out: nobody leads by it any more.
    await new Promise((resolve) => setTimeout(resolve, TTL * 2))
    await until('somebody leads', () => first.candidate.isLeader || second.candidate.isLeader)
    proxy.resume()
    proxy.cut()
    await until('the link is of use again', async () => (await storeAt(proxy.port).read('link', AbortSignal.timeout(500))) !== undefined)
    expect(overlap()).toBe(0)
    const { tenure } = second.candidate
    if (tenure) expect(tenure.fencingToken).toBeGreaterThan(token)
  })

  test('killed and started again: tokens grow, one leader', async () => {
    const { first, second, overlap, token } = await pair('killed')
    await server.kill()
    await until('the leader steps down', () => !first.candidate.isLeader)
    await server.start()
    await until('somebody leads', () => first.candidate.isLeader || second.candidate.isLeader)
    expect(overlap()).toBe(0)
    const tenure = first.candidate.tenure ?? second.candidate.tenure
    expect(tenure?.fencingToken).toBeGreaterThan(token)
    expect(first.troubles).toContain('store-unreachable')
  })

  test('wiped: nobody bids until whoever led has stopped believing, then somebody leads', async () => {
    const { first, second, overlap } = await pair('wiped')
    await server.kill()
    rmSync(join(server.directory, 'data'), { recursive: true, force: true })
    await server.start()
    await until('somebody leads', async () => (await keysOf(server.port, 'tenure/wiped/')).length === 1)
    await until('that one believes it', () => first.candidate.isLeader || second.candidate.isLeader)
    expect(overlap()).toBe(0)
  })

  test('frozen for two ttl: nobody leads meanwhile, one afterwards', async () => {
    const { first, second, overlap } = await pair('frozen')
    server.freeze()
    try {
      await until('the leader steps down', () => !first.candidate.isLeader)
      // The second ttl: nothing happens in it, which is what is looked at.
      await new Promise((resolve) => setTimeout(resolve, TTL))
      expect(second.candidate.isLeader).toBe(false)
    } finally {
      server.thaw()
    }
    await until('somebody leads', () => first.candidate.isLeader || second.candidate.isLeader)
    expect(overlap()).toBe(0)
  })

  test('handover by watch: a release is acted on at once, although the ttl is long', async () => {
    const first = new Candidate({ election: 'handover', store: storeAt(server.port), ttlMs: 60_000 })
    const second = new Candidate({ election: 'handover', store: storeAt(server.port), ttlMs: 60_000 })
    left.push(() => Promise.all([first.stop(), second.stop()]))
    await first.start()
    await second.start()
    await until('both watch', async () => (await watchers(server.port)) === 2)
    await first.stop()
    await until('the other leads', () => second.isLeader, 10_000)
  })

  test('work that never ends on a shared lease: it lapses within a ttl, its neighbours stay', async () => {
    const store = storeAt(server.port)
    // So long that a neighbour that is renewed is never late.
    const ttlMs = 8000
    const stuck = bidFor('overrun', { ttlMs })
    const kept = candidate(store, 'overrun-neighbour', 'kept', ttlMs)
    await kept.candidate.start()
    await until('the neighbour leads', () => kept.candidate.isLeader)
    // What is granted counts from before the request.
    const beganAt = performance.now()
    await store.acquire(stuck, patient())
    await winsInTime(storeAt(server.port), 'overrun', { ttlMs })
    expect(performance.now() - beganAt).toBeGreaterThan(ttlMs * 0.9)
    expect(kept.candidate.isLeader).toBe(true)
    expect(await store.renew(stuck, patient())).toBe(0)
  })

  test('tokens grow across a restart of the server', async () => {
    const law = laws.find(({ name }) => name === 'tokens grow across a restart of the server')
    const lab = await openLab({ open: () => storeAt(server.port), restart: () => server.restart(), graceMs: 700 })
    try {
      await law?.check(lab)
    } finally {
      await lab.close()
    }
    expect(law).toBeDefined()
  })

  test('after the last stop() nothing is left on the server, and the process ends by itself', async () => {
    const bundle = join(server.directory, 'ends.mjs')
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    await build({
      stdin: {
        resolveDir: root,
        contents: `
          import { Candidate } from './src/index.ts'
          import { etcd } from './src/stores/etcd.ts'
          const store = etcd({ endpoints: 'http://127.0.0.1:${server.port}' })
          const candidates = [1, 2, 3].map((n) => new Candidate({ election: 'e' + (n % 2), store }))
          for (const candidate of candidates) await candidate.start()
          console.log('leading', candidates.filter(({ isLeader }) => isLeader).length)
          for (const candidate of candidates) await candidate.stop()
          console.log('stopped')`,
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: bundle,
      logLevel: 'silent',
    })
    const { stdout } = await promisify(execFile)(process.execPath, [bundle], { timeout: 25_000 })
    expect(stdout).toBe('leading 2\nstopped\n')
    expect(await leasesOf(server.port)).toEqual([])
    expect(await keysOf(server.port, 'tenure/')).toEqual([])
  })

  test('connections are bounded, those that hang are destroyed, and none is left after a while', async () => {
    const store = storeAt(server.port)
    const count = () => connectionsTo(server.port)
    const before = count()
    await Promise.all(Array.from({ length: 300 }, (_, i) => store.read(`bounded-${i}`, patient())))
    // 32 requests at once, and a connection may not be free yet when its answer has been read.
    expect(count() - before).toBeLessThanOrEqual(80)
    server.freeze()
    try {
      const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => store.read(`hangs-${i}`, AbortSignal.timeout(300))))
      expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    } finally {
      server.thaw()
    }
    // `fetch` keeps an idle connection for some seconds; it keeps no process alive.
    // One is the server's own: its gateway is a client of itself. One keeps its port from others (`reservePort`).
    await until('no connection is left', () => count() <= 2)
  })
})

/** Established connections from this host to a port on loopback. */
function connectionsTo(port: number): number {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2] === remote && fields[3] === '01').length
}

/** How many watches the server serves. */
async function watchers(port: number): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(metrics)?.[1])
}
