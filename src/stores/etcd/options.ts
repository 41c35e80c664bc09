/** What the caller of `etcd()` says, checked and completed. A bad option is refused with its name and what came. */

import { type Clock, systemClock } from '../../clock.ts'
import { badOption, describeValue, TenureError } from '../../errors.ts'

/** As much of an answer of `fetch` as is used. */
export interface EtcdResponse {
  readonly status: number
  readonly body: { getReader(): EtcdReader } | null
  text(): Promise<string>
}

export interface EtcdReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
}

/** What is asked of `fetch`; everything in `init` comes along. */
export interface EtcdRequest {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: string
  readonly signal: AbortSignal
}

/** `fetch`, or anything that behaves like it. */
export type EtcdFetch = (url: string, request: EtcdRequest) => Promise<EtcdResponse>

/** How to reach a cluster, and where in it the elections are. */
export interface EtcdOptions {
  /** The members, e.g. `http://10.0.0.1:2379`; one, or several of one cluster. Tried in this order. */
  readonly endpoints: string | readonly string[]
  /** Given together with `password` where the cluster asks for them; never within `endpoints`. */
  readonly username?: string | undefined
  /** Never shown in a message. */
  readonly password?: string | undefined
  /** Begins every key, without the slash at its end. @default `tenure`; with `interop` nothing */
  readonly prefix?: string | undefined
  /**
   * Share elections with `etcdctl elect` and Go's `concurrency.Election`: the bare name of the election is the prefix of
   * its keys. Names with a slash are refused. We stand only when nobody queues: behind several others that always
   * queue, ours may never lead. @default false
   */
  readonly interop?: boolean | undefined
  /** For certificates of your own, a proxy, or tests. @default the global `fetch` */
  readonly fetch?: EtcdFetch | undefined
  /** Goes along with every request, e.g. `{ dispatcher }` with an Agent of undici that knows your certificates. */
  readonly init?: object | undefined
  /**
   * A watch that was silent for so many milliseconds is opened anew, where it ended, in case its connection is dead.
   * Below the 300000 after which Node's `fetch` gives up a silent answer. @default 60000
   */
  readonly silenceMs?: number | undefined
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

export interface EtcdSettings {
  readonly endpoints: readonly string[]
  readonly login: { readonly name: string; readonly password: string } | undefined
  readonly prefix: string
  readonly interop: boolean
  readonly fetch: EtcdFetch
  readonly init: object
  readonly silenceMs: number
  readonly clock: Clock
}

const known: Record<keyof EtcdOptions, true> = {
  endpoints: true,
  username: true,
  password: true,
  prefix: true,
  interop: true,
  fetch: true,
  init: true,
  silenceMs: true,
  clock: true,
}

/** Throws a `TenureError` of code `bad-option`. */
export function settingsOf(options: EtcdOptions): EtcdSettings {
  if (typeof options !== 'object' || options === null) throw badOption('options', 'an object with `endpoints`', options)
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(known, name)) {
      throw new TenureError('bad-option', `Unknown option \`${name}\`: expected one of ${Object.keys(known).join(', ')}`)
    }
  }
  const interop = options.interop ?? false
  if (typeof interop !== 'boolean') throw badOption('interop', 'a boolean', interop)
  const { silenceMs = 60_000, clock = systemClock, fetch = globalThis.fetch, init = {} } = options
  if (!(Number.isSafeInteger(silenceMs) && silenceMs >= 1))
    throw badOption('silenceMs', 'a whole number of milliseconds, at least 1', silenceMs)
  if (typeof fetch !== 'function') throw badOption('fetch', 'a function', fetch)
  if (typeof init !== 'object' || init === null) throw badOption('init', 'an object', init)
  return Object.freeze({
    endpoints: endpointsOf(options.endpoints),
    login: loginOf(options),
    prefix: prefixOf(options.prefix, interop),
    interop,
    fetch,
    init,
    silenceMs,
    clock,
  })
}

function endpointsOf(given: string | readonly string[]): readonly string[] {
  const all = typeof given === 'string' ? given.split(',') : given
  if (!Array.isArray(all) || all.length === 0) throw badOption('endpoints', 'a URL, or a list of URLs', given)
  return all.map((endpoint: unknown) => {
    const url = typeof endpoint === 'string' && URL.canParse(endpoint.trim()) ? new URL(endpoint.trim()) : undefined
    if (!url || !['http:', 'https:'].includes(url.protocol)) throw badOption('endpoints', 'URLs like http://127.0.0.1:2379', endpoint)
    // Nothing of it is repeated: it holds a password.
    if (url.username !== '' || url.password !== '') {
      throw new TenureError('bad-option', 'Expected `endpoints` without credentials: give `username` and `password`')
    }
    return url.href.replace(/\/+$/, '')
  })
}

function loginOf({ username, password }: EtcdOptions): EtcdSettings['login'] {
  if (username === undefined && password === undefined) return undefined
  if (typeof username !== 'string' || username === '') throw badOption('username', 'a non-empty string where `password` is given', username)
  if (typeof password !== 'string') throw new TenureError('bad-option', 'Expected `password` to be a string where `username` is given')
  return { name: username, password }
}

function prefixOf(given: string | undefined, interop: boolean): string {
  const prefix = given ?? (interop ? '' : 'tenure')
  const fits = typeof prefix === 'string' && prefix.isWellFormed() && !prefix.endsWith('/') && (prefix !== '' || interop)
  if (!fits) throw badOption('prefix', 'a non-empty string that does not end in a slash', prefix)
  return prefix
}

/** For messages: where a request went, without anything that is nobody's business. */
export function hostOf(endpoint: string): string {
  return URL.canParse(endpoint) ? new URL(endpoint).host : describeValue(endpoint)
}
