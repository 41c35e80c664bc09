/**
 * Requests to etcd's JSON gateway: one member after the other, with a token where one is needed. It may assume that
 * every request can be sent twice: each names a holder or a lease of which nothing is ever used again. It must never
 * answer for a member that has not answered.
 */

import { TenureError } from '../../errors.ts'
import { abortable, follow, Joint } from './gather.ts'
import { type EtcdResponse, type EtcdSettings, hostOf } from './options.ts'
import { Elsewhere, failure, LeaseGone, refusal, TokenRefused } from './refusals.ts'

/** So many requests for keys are under way at once; leases are renewed beside them, whatever hangs. */
const MOST_AT_ONCE = 32
/** How long one member is given before the next is asked, where nobody said anything else. */
const PATIENCE_MS = 1250

export class Gateway {
  readonly #settings: EtcdSettings
  readonly #moved = new Set<() => void>()
  #current = 0
  #token: string | undefined
  #login: Joint<void> | undefined
  #tokenless = false
  #busy = 0
  readonly #queue: (() => void)[] = []
  #requests = 0
  #closed = false

  constructor(settings: EtcdSettings) {
    this.#settings = settings
  }

  /** How many requests were sent, streams and logins included. */
  get requests(): number {
    return this.#requests
  }

  /** The member that is asked first. */
  get endpoint(): string {
    return this.#settings.endpoints[this.#current] ?? ''
  }

  close(): void {
    this.#closed = true
  }

  /** Be told when another member is asked from now on; the function returned ends it. */
  onMoved(moved: () => void): () => void {
    this.#moved.add(moved)
    return () => void this.#moved.delete(moved)
  }

  /** This member cannot serve: the others come first from now on. */
  leave(endpoint: string): void {
    if (endpoint !== this.endpoint || this.#settings.endpoints.length === 1) return
    this.#current = (this.#current + 1) % this.#settings.endpoints.length
    for (const moved of [...this.#moved]) moved()
  }

  /**
   * Ask, and ask the next member where one cannot serve; a body that is a function is made for each. Rejects with a
   * `TenureError` or a `LeaseGone`.
   */
  async call<T>(path: string, body: object | (() => object), signal: AbortSignal, patienceMs = PATIENCE_MS): Promise<T> {
    const done = path.startsWith('/v3/kv/') ? await this.#turn(signal) : () => {}
    try {
      return await this.#anywhere(signal, (endpoint) =>
        this.#once<T>(endpoint, path, typeof body === 'function' ? body() : body, signal, patienceMs),
      )
    } finally {
      done()
    }
  }

  /** Open a stream, and tell of which member. What it says is for the caller to understand, and what to do when it breaks. */
  async open(
    path: string,
    body: object,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ readonly endpoint: string; readonly response: EtcdResponse }> {
    return this.#anywhere(signal, async (endpoint) => {
      const response = await this.#bounded(endpoint, path, body, headers, signal, PATIENCE_MS, true)
      if (response.status !== 200) throw refusal(hostOf(endpoint), response.status, await response.text())
      return { endpoint, response }
    })
  }

  /** The next request brings a new token. */
  forgetToken(): void {
    this.#token = undefined
    this.#tokenless = false
  }

  async #anywhere<T>(signal: AbortSignal, ask: (endpoint: string) => Promise<T>): Promise<T> {
    let last: TenureError | undefined
    for (let left = this.#settings.endpoints.length; left > 0; left--) {
      const { endpoint } = this
      try {
        return await this.#authorized(endpoint, ask)
      } catch (thrown) {
        // Whoever was silent for all of a call is not asked first again.
        if (signal.aborted || thrown instanceof Elsewhere) this.leave(endpoint)
        signal.throwIfAborted()
        if (!(thrown instanceof Elsewhere)) throw thrown
        last = thrown.error
      }
    }
    throw last ?? new TenureError('store-unreachable', 'etcd: no endpoint')
  }

  async #authorized<T>(endpoint: string, ask: (endpoint: string) => Promise<T>): Promise<T> {
    try {
      return await ask(endpoint)
    } catch (thrown) {
      if (!(thrown instanceof TokenRefused)) throw thrown
      if (!this.#settings.login) throw new TenureError('store-denied', `etcd: ${thrown.message}: give \`username\` and \`password\``)
      this.forgetToken()
    }
    try {
      return await ask(endpoint)
    } catch (thrown) {
      throw thrown instanceof TokenRefused ? new TenureError('store-denied', `etcd: ${thrown.message}`) : thrown
    }
  }

  async #once<T>(endpoint: string, path: string, body: object, signal: AbortSignal, patienceMs: number): Promise<T> {
    const response = await this.#bounded(endpoint, path, body, {}, signal, patienceMs, false)
    const text = await response.text()
    if (response.status !== 200) throw refusal(hostOf(endpoint), response.status, text)
    return answerOf<T>(hostOf(endpoint), text)
  }

  /** One request to one member, abandoned when it takes too long and there is another to ask. */
  async #bounded(
    endpoint: string,
    path: string,
    body: object,
    headers: Record<string, string>,
    signal: AbortSignal,
    patienceMs: number,
    streams: boolean,
  ): Promise<EtcdResponse> {
    signal.throwIfAborted()
    const { clock, endpoints } = this.#settings
    const controller = new AbortController()
    const unfollow = follow(signal, controller)
    const late = () => controller.abort(new Error(`no answer within ${Math.round(patienceMs)} ms`))
    const cancel = endpoints.length > 1 || streams ? clock.timer(Math.ceil(patienceMs), late, true) : () => {}
    try {
      const token = await this.#tokenFor(endpoint, controller.signal)
      const response = await this.#send(endpoint, path, body, { ...headers, ...(token && { authorization: token }) }, controller.signal)
      if (streams) return response
      const text = await response.text()
      unfollow()
      return { status: response.status, body: null, text: async () => text }
    } catch (thrown) {
      unfollow()
      signal.throwIfAborted()
      throw thrown instanceof TenureError || thrown instanceof Elsewhere
        ? thrown
        : failure(hostOf(endpoint), controller.signal.reason ?? thrown)
    } finally {
      cancel()
    }
  }

  async #send(endpoint: string, path: string, body: object, headers: Record<string, string>, signal: AbortSignal): Promise<EtcdResponse> {
    if (this.#closed) throw new TenureError('store-unreachable', 'etcd: the store was closed')
    const { fetch, init } = this.#settings
    this.#requests += 1
    const request = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body), signal }
    return fetch(endpoint + path, { ...init, ...request })
  }

  async #tokenFor(endpoint: string, signal: AbortSignal): Promise<string | undefined> {
    const { login } = this.#settings
    if (!login || this.#tokenless || this.#token !== undefined) return this.#token
    if (!this.#login || this.#login.abandoned) {
      const own: Joint<void> = new Joint((joint) =>
        this.#authenticate(endpoint, login, joint).finally(() => {
          if (this.#login === own) this.#login = undefined
        }),
      )
      this.#login = own
    }
    await this.#login.join(signal)
    return this.#token
  }

  async #authenticate(endpoint: string, login: { name: string; password: string }, signal: AbortSignal): Promise<void> {
    const response = await this.#send(endpoint, '/v3/auth/authenticate', login, {}, signal)
    const text = await response.text()
    if (response.status === 200) this.#token = answerOf<{ token?: string }>(hostOf(endpoint), text).token
    // Credentials for a server that asks for none are no fault.
    else if (text.includes('authentication is not enabled')) this.#tokenless = true
    else throw refusal(hostOf(endpoint), response.status, text)
  }

  /** Wait until a request may leave; the function returned makes way for the next. */
  async #turn(signal: AbortSignal): Promise<() => void> {
    const done = () => {
      const next = this.#queue.shift()
      if (next) next()
      else this.#busy -= 1
    }
    if (this.#busy < MOST_AT_ONCE) {
      this.#busy += 1
      return done
    }
    let begin = () => {}
    const free = new Promise<void>((resolve) => {
      begin = resolve
    })
    this.#queue.push(begin)
    await abortable(free, signal, () => {
      const at = this.#queue.indexOf(begin)
      if (at >= 0) this.#queue.splice(at, 1)
      // Its turn came in the very moment in which it gave up.
      else done()
    })
    return done
  }
}

/** The only answer of a call, also of those that the gateway makes a stream of one. */
function answerOf<T>(host: string, text: string): T {
  let answer: { result?: T; error?: unknown } & T
  try {
    answer = JSON.parse(text) as { result?: T; error?: unknown } & T
  } catch (thrown) {
    throw new Elsewhere(new TenureError('store-unreachable', `etcd: ${host}: answered what is no JSON`, { cause: thrown }))
  }
  if (answer.error !== undefined) throw refusal(host, 200, text)
  return answer.result ?? answer
}

export { LeaseGone }
