/** Compiled, never run: the `fetch` of Node, and what people wrap around it, fit what the etcd store asks of one. */

import type { LeaseStore } from '../../src/store.ts'
import { type EtcdFetch, type EtcdOptions, etcd } from '../../src/stores/etcd.ts'

const wrapped = async (url: string, request: RequestInit): Promise<Response> => fetch(url, { ...request, keepalive: false })

export const fetches: readonly EtcdFetch[] = [fetch, globalThis.fetch, wrapped, (url, request) => fetch(new Request(url, request))]

/** As an Agent of undici looks to us: whatever an init carries comes along. */
declare const dispatcher: NonNullable<RequestInit['dispatcher']>
const init: RequestInit = { dispatcher }

export const options: readonly EtcdOptions[] = [
  { endpoints: 'http://127.0.0.1:2379' },
  { endpoints: ['https://a:2379', 'https://b:2379'], username: 'u', password: 'p', init },
  { endpoints: 'http://a', interop: true, prefix: undefined, clock: undefined, fetch },
]

export const stores: readonly LeaseStore[] = options.map((each) => etcd(each))
