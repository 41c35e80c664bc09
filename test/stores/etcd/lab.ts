/** What the tests of the etcd store share: requests of an operator, bids, and waiting. */

import type { Bid, LeaseStore } from '../../../src/store.ts'
import { decode, encode } from '../../../src/stores/etcd/wire.ts'
import { type EtcdFetch, type EtcdOptions, etcd } from '../../../src/stores/etcd.ts'
import { until } from '../../harness/server.ts'

export const TTL = 2000

let count = 0

export function bidFor(election: string, over: Partial<Bid> = {}): Bid {
  count += 1
  return { election, holder: `h${process.pid}-${count}`, candidate: `c${count}`, ttlMs: TTL, ...over }
}

/** A signal for a call of which nobody is afraid that it hangs. */
export function patient(): AbortSignal {
  return AbortSignal.timeout(25_000)
}

export function storeAt(port: number, options: Partial<EtcdOptions> = {}) {
  return etcd({ endpoints: `http://127.0.0.1:${port}`, ...options })
}

/** A request of an operator, past the store. */
export async function ask<T>(port: number, path: string, body: object = {}, token?: string): Promise<T> {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: token }) }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${path}: ${text}`)
  return JSON.parse(text) as T
}

export interface Kv {
  readonly key: string
  readonly value: string
  readonly lease: string
  readonly revision: number
}

export async function keysOf(port: number, prefix: string): Promise<Kv[]> {
  type Answer = { kvs?: { key: string; value?: string; lease?: string; create_revision: string }[] }
  const range = { key: encode(prefix), range_end: encode(`${prefix}\u{10ffff}`), sort_order: 'ASCEND', sort_target: 'CREATE' }
  const { kvs = [] } = await ask<Answer>(port, '/v3/kv/range', range)
  return kvs.map((kv) => ({ key: decode(kv.key), value: decode(kv.value), lease: kv.lease ?? '0', revision: Number(kv.create_revision) }))
}

export async function leasesOf(port: number): Promise<string[]> {
  const { leases = [] } = await ask<{ leases?: { ID: string }[] }>(port, '/v3/lease/leases')
  return leases.map(({ ID }) => ID)
}

export async function remove(port: number, prefix: string): Promise<void> {
  await ask(port, '/v3/kv/deleterange', { key: encode(prefix), range_end: encode(`${prefix}\u{10ffff}`) })
}

export async function put(port: number, key: string, value: string, lease = '0'): Promise<void> {
  await ask(port, '/v3/kv/put', { key: encode(key), value: encode(value), lease })
}

/** Bid until the lease is ours, for two ttl and some at most. */
export async function winsInTime(store: LeaseStore, election: string, over: Partial<Bid> = {}): Promise<Bid & { token: number }> {
  let won: (Bid & { token: number }) | undefined
  await until(`${election} is won`, async () => {
    const bid = bidFor(election, over)
    const lease = await store.acquire(bid, AbortSignal.timeout(5000))
    if (lease?.holder === bid.holder && lease.remainingMs > 0) won = { ...bid, token: lease.fencingToken }
    return won !== undefined
  })
  if (!won) throw new Error('never')
  return won
}

/** `fetch`, with a list of what was asked. */
export function counting(): { fetch: EtcdFetch; paths: string[] } {
  const paths: string[] = []
  return {
    paths,
    fetch: (url, request) => {
      paths.push(new URL(url).pathname)
      return fetch(url, request)
    },
  }
}

/** A network that keeps a request back, and delivers it long after whoever sent it has gone. */
export class LateNetwork {
  #path: string | undefined
  #caught = () => {}
  #deliver: (() => Promise<void>) | undefined

  readonly fetch: EtcdFetch = (url, request) => {
    if (this.#path !== new URL(url).pathname) return fetch(url, request)
    this.#path = undefined
    const { method, headers, body } = request
    this.#deliver = async () => {
      const response = await fetch(url, { method, headers, body })
      await response.text()
    }
    this.#caught()
    return new Promise((_, reject) => {
      request.signal.addEventListener('abort', () => reject(request.signal.reason), { once: true })
    })
  }

  /** Keep back the next request for this path. */
  hold(path: string): Promise<void> {
    this.#path = path
    return new Promise((resolve) => {
      this.#caught = resolve
    })
  }

  /** It lands. Resolves when the server has answered it, to nobody. */
  async letGo(): Promise<void> {
    await this.#deliver?.()
  }
}

export { until }
