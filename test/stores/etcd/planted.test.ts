import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LeaseStore } from '../../../src/store.ts'
import type { EtcdOptions } from '../../../src/stores/etcd.ts'
import { type Change, plant } from '../../harness/plant.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { bidFor, keysOf, LateNetwork, patient, put, TTL, until } from './lab.ts'

/** What goes wrong with a fault in the store, and does not without it. Each says whether all went well. */
interface Fault {
  readonly fault: string
  readonly change: Change
  well(open: (options?: Partial<EtcdOptions>) => LeaseStore, election: string, port: number): Promise<boolean>
}

const LONG = 60_000
const src = 'src/stores/etcd/'

const faults: readonly Fault[] = [
  {
    fault: 'one lease is revoked for one of its elections',
    change: { file: `${src}lease.ts`, find: '!lease.gone && lease.holds.size === 0 &&', replace: '!lease.gone &&' },
    async well(open, election) {
      const store = open()
      const [one, other] = [bidFor(election, { ttlMs: LONG }), bidFor(`${election}-other`, { ttlMs: LONG })]
      await store.acquire(one, patient())
      await store.acquire(other, patient())
      await store.release(one, patient())
      return (await store.renew(other, patient())) > 0
    },
  },
  {
    fault: 'a lease is used again after its revoke',
    change: { file: `${src}lease.ts`, find: '    lease.gone = true\n', replace: '    if (lease.seconds > 0) return\n' },
    async well(open, election) {
      const network = new LateNetwork()
      const store = open({ fetch: network.fetch })
      const first = bidFor(election, { ttlMs: LONG })
      await store.acquire(first, patient())
      const held = network.hold('/v3/lease/revoke')
      const controller = new AbortController()
      const released = store.release(first, controller.signal).catch(() => {})
      await held
      controller.abort(new Error('given up'))
      await released
      const second = bidFor(`${election}-second`, { ttlMs: LONG })
      await store.acquire(second, patient())
      await network.letGo()
      return (await store.renew(second, patient())) > 0
    },
  },
  {
    fault: 'a hold lives on with its neighbours',
    change: { file: `${src}holds.ts`, find: 'if (now >= hold.until) this.#lapse(hold)', replace: 'if (now < 0) this.#lapse(hold)' },
    async well(open, election, port) {
      const store = open()
      const lost = bidFor(election)
      const kept = bidFor(`${election}-kept`)
      await store.acquire(lost, patient())
      await store.acquire(kept, patient())
      const endAt = performance.now() + TTL * 1.4
      while (performance.now() < endAt) {
        await store.renew(kept, patient())
        await new Promise((resolve) => setTimeout(resolve, TTL / 10))
      }
      return (await keysOf(port, `tenure/${election}/`)).length === 0
    },
  },
  {
    fault: 'orphans are not swept',
    change: { file: `${src}bids.ts`, find: 'if (orphans.length === 0) return', replace: 'if (orphans.length >= 0) return' },
    well: (open, election, port) => swept(open(), election, port).then(({ gone }) => gone),
  },
  {
    fault: 'a holder that was swept comes back',
    change: { file: `${src}bids.ts`, find: 'for (const key of orphans) this.#holds.bury(key)', replace: '' },
    async well(open, election, port) {
      const store = open()
      const { late } = await swept(store, election, port)
      return (await store.acquire(late, patient()))?.holder !== late.holder
    },
  },
  {
    fault: 'a bid that was released while it was under way is won all the same',
    change: {
      file: `${src}bids.ts`,
      find: '    if (hold.over) {\n      // Released',
      replace: '    if (hold.election === "") {\n      // Released',
    },
    async well(open, election) {
      // It answers late, and is waited for.
      const slow: EtcdOptions['fetch'] = async (url, request) => {
        const response = await fetch(url, request)
        if (!url.endsWith('/txn') || !request.body.includes('create_revision')) return response
        const text = await response.text()
        await new Promise((resolve) => setTimeout(resolve, 300))
        return new Response(text, { status: response.status })
      }
      const store = open({ fetch: slow })
      const bid = bidFor(election, { ttlMs: LONG })
      const acquired = store.acquire(bid, patient())
      await new Promise((resolve) => setTimeout(resolve, 200))
      await store.release(bid, patient())
      return (await acquired)?.holder !== bid.holder
    },
  },
]

async function swept(store: LeaseStore, election: string, port: number) {
  const kept = bidFor(`${election}-kept`, { ttlMs: LONG })
  await store.acquire(kept, patient())
  const [own] = await keysOf(port, `tenure/${election}-kept/`)
  const late = bidFor(election, { ttlMs: LONG })
  await put(port, `tenure/${election}/${late.holder}`, late.candidate, own?.lease)
  await store.renew(kept, patient())
  const gone = async () => (await keysOf(port, `tenure/${election}/`)).length === 0
  await until('it is swept', gone, 1000).catch(() => {})
  return { late, gone: await gone() }
}

describe.skipIf(!findServer('etcd')).concurrent('planted', () => {
  let server: Server
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())

  test.each(faults)('$fault', async ({ fault, change, well }) => {
    const opener = async (changes: readonly Change[]) => {
      const module = (await plant('src/stores/etcd.ts', changes)) as { etcd(options: EtcdOptions): LeaseStore }
      return (options: Partial<EtcdOptions> = {}) => module.etcd({ endpoints: `http://127.0.0.1:${server.port}`, ...options })
    }
    const name = fault.replaceAll(' ', '-')
    expect(await well(await opener([]), `${name}-right`, server.port)).toBe(true)
    expect(await well(await opener([change]), `${name}-wrong`, server.port)).toBe(false)
  })
})
