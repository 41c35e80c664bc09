import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LeaseStore } from '../../../src/store.ts'
import type { EtcdOptions } from '../../../src/stores/etcd.ts'
import { type Change, plant } from '../../harness/plant.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { inTheAir } from '../../in-the-air.ts'
import { ask, bidFor, keysOf, LateNetwork, patient, put, TTL, until } from './lab.ts'

/** What goes wrong with a fault in the store, and does not without it. Each says whether all went well. */
interface Fault {
  readonly fault: string
  readonly change: Change
  /** What takes longer than the bound does not come. */
  well(open: (options?: Partial<EtcdOptions>) => LeaseStore, election: string, port: number, boundMs: number): Promise<boolean>
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
    async well(open, election, port, boundMs) {
      const store = open()
      const lost = bidFor(election)
      const kept = bidFor(`${election}-kept`)
      await store.acquire(lost, patient())
      await store.acquire(kept, patient())
      return within(TTL + boundMs, async () => {
        await store.renew(kept, patient())
        return (await keysOf(port, `tenure/${election}/`)).length === 0
      })
    },
  },
  {
    fault: 'orphans are not swept',
    change: { file: `${src}bids.ts`, find: 'if (orphans.length === 0) return', replace: 'if (orphans.length >= 0) return' },
    well: (open, election, port, boundMs) => swept(open(), election, port, boundMs).then(({ gone }) => gone),
  },
  {
    fault: 'a holder that was swept comes back',
    change: { file: `${src}bids.ts`, find: 'for (const key of orphans) this.#holds.bury(key)', replace: '' },
    async well(open, election, port, boundMs) {
      const store = open()
      const { late } = await swept(store, election, port, boundMs)
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
      const [answered, answer] = gate()
      const [released, release] = gate()
      // It answers late, and is waited for.
      const slow: EtcdOptions['fetch'] = async (url, request) => {
        const response = await fetch(url, request)
        if (!url.endsWith('/txn') || !request.body.includes('create_revision')) return response
        const text = await response.text()
        answer()
        await released
        return new Response(text, { status: response.status })
      }
      const store = open({ fetch: slow })
      const bid = bidFor(election, { ttlMs: LONG })
      const acquired = inTheAir(store.acquire(bid, patient()))
      await answered
      const releasing = inTheAir(store.release(bid, patient()))
      setTimeout(release, 50)
      await releasing
      return (await acquired)?.holder !== bid.holder
    },
  },
  {
    fault: 'two bids for one election go into one transaction',
    change: { file: `${src}keys.ts`, find: 'election: bid.election,\n      compare', replace: 'election: key,\n      compare' },
    async well(open, election) {
      const store = open()
      // A lease is there and nobody looks first: both bids leave in one turn.
      await store.acquire(bidFor(`${election}-kept`, { ttlMs: LONG }), patient())
      const bids = [bidFor(election, { ttlMs: LONG }), bidFor(election, { ttlMs: LONG })]
      const leases = await Promise.all(bids.map((bid) => store.acquire(bid, patient())))
      return leases.filter((lease, i) => lease?.holder === bids[i]?.holder).length === 1
    },
  },
  {
    fault: 'what one bid is refused for is told to its neighbours',
    change: {
      file: `${src}batches.ts`,
      find: "splits: (error: unknown) => !(error instanceof TenureError && error.code === 'store-unreachable'),",
      replace: 'splits: () => false,',
    },
    async well(open, election, port) {
      const revoking: EtcdOptions['fetch'] = async (url, request) => {
        // The lease of one dies when it has been kept alive, and its bid is about to land beside another.
        if (request.body.split('request_put').length > 2)
          await ask(port, '/v3/lease/revoke', { ID: await leaseOf(port, `${election}-short`) })
        return fetch(url, request)
      }
      const store = open({ fetch: revoking })
      const kept = bidFor(`${election}-kept`, { ttlMs: LONG })
      await store.acquire(kept, patient())
      await store.acquire(bidFor(`${election}-short`, { ttlMs: LONG / 2 }), patient())
      const neighbours = [bidFor(`${election}-a`, { ttlMs: LONG }), bidFor(`${election}-b`, { ttlMs: LONG / 2 })]
      await Promise.allSettled(neighbours.map((bid) => store.acquire(bid, patient())))
      return (await store.renew(kept, patient())) > 0
    },
  },
]

async function leaseOf(port: number, election: string): Promise<string | undefined> {
  return (await keysOf(port, `tenure/${election}/`))[0]?.lease
}

async function swept(store: LeaseStore, election: string, port: number, boundMs: number) {
  const kept = bidFor(`${election}-kept`, { ttlMs: LONG })
  await store.acquire(kept, patient())
  const [own] = await keysOf(port, `tenure/${election}-kept/`)
  const late = bidFor(election, { ttlMs: LONG })
  await put(port, `tenure/${election}/${late.holder}`, late.candidate, own?.lease)
  await store.renew(kept, patient())
  return { late, gone: await within(boundMs, async () => (await keysOf(port, `tenure/${election}/`)).length === 0) }
}

/** Whether it comes true in time. */
function within(boundMs: number, ask: () => Promise<boolean>): Promise<boolean> {
  return until('it is true', ask, boundMs).then(
    () => true,
    () => false,
  )
}

/** A promise, and what resolves it. */
function gate(): [opened: Promise<void>, open: () => void] {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return [opened, open]
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
    expect(await well(await opener([]), `${name}-right`, server.port, 15_000)).toBe(true)
    expect(await well(await opener([change]), `${name}-wrong`, server.port, 1000)).toBe(false)
  })
})
