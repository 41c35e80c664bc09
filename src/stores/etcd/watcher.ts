/**
 * One open stream that tells of every change under a prefix, for as long as anybody watches. It resumes behind the last
 * event it has told, so that a connection can be replaced without missing anything; where etcd has compacted what lies
 * between, everybody looks for himself. It only nudges: nothing may be concluded from its silence.
 */

import { asStoreError, TenureError } from '../../errors.ts'
import type { Gateway } from './gateway.ts'
import { abortable, follow } from './gather.ts'
import type { Names } from './names.ts'
import { type EtcdReader, type EtcdResponse, type EtcdSettings, hostOf } from './options.ts'
import { cancellation, Elsewhere, failure, TokenRefused } from './refusals.ts'
import { decode, numberOf, rangeOf, type WatchAnswer } from './wire.ts'

interface Parts {
  readonly gateway: Gateway
  readonly names: Names
  readonly settings: EtcdSettings
  /** A key of this election was deleted, at this revision. */
  deleted(election: string, key: string, revision: number): void
  /** A key of this election was put. */
  taken(election: string): void
}

interface Listener {
  readonly election: string
  changed(): void
  lost(error: Error): void
}

export class Watcher {
  readonly #parts: Parts
  /** By the prefix that they watch: one for all elections, or with bare names one for each. */
  readonly #channels = new Map<string, Channel>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  watch(election: string, changed: () => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return resolve()
      const prefix = this.#parts.settings.interop ? this.#parts.names.directory(election) : this.#parts.names.root
      const channel = this.#channel(prefix)
      const listener: Listener = {
        election,
        changed: () => void (signal.aborted || changed()),
        lost: (error) => {
          signal.removeEventListener('abort', end)
          reject(error)
        },
      }
      const end = () => {
        channel.remove(listener)
        resolve()
      }
      signal.addEventListener('abort', end, { once: true })
      channel.add(listener)
    })
  }

  close(): void {
    for (const channel of [...this.#channels.values()]) channel.fail(new TenureError('store-unreachable', 'etcd: the store was closed'))
  }

  #channel(prefix: string): Channel {
    const known = this.#channels.get(prefix)
    if (known) return known
    const channel: Channel = new Channel(prefix, this.#parts, () => {
      if (this.#channels.get(prefix) === channel) this.#channels.delete(prefix)
    })
    this.#channels.set(prefix, channel)
    return channel
  }
}

class Channel {
  readonly #prefix: string
  readonly #parts: Parts
  readonly #emptied: () => void
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #life = new AbortController()
  #placed = false
  /** Streams that broke in a row before they told anything. */
  #failures = 0
  /** From which revision on nothing has been told yet; 0: from now on. */
  #from = 0

  constructor(prefix: string, parts: Parts, emptied: () => void) {
    this.#prefix = prefix
    this.#parts = parts
    this.#emptied = emptied
    this.#run().catch((thrown: unknown) => this.fail(thrown))
  }

  add(listener: Listener): void {
    const set = this.#listeners.get(listener.election) ?? new Set()
    this.#listeners.set(listener.election, set.add(listener))
    if (this.#placed) queueMicrotask(() => listener.changed())
  }

  remove(listener: Listener): void {
    const set = this.#listeners.get(listener.election)
    set?.delete(listener)
    if (set?.size === 0) this.#listeners.delete(listener.election)
    if (this.#listeners.size === 0) this.#end()
  }

  /** Lost: whoever watches is told, and arms a new one when the store has next answered. */
  fail(thrown: unknown): void {
    if (this.#life.signal.aborted) return
    const error = thrown instanceof Elsewhere ? thrown.error : asStoreError('etcd', 'watch', thrown)
    const all = [...this.#listeners.values()].flatMap((set) => [...set])
    this.#listeners.clear()
    this.#end()
    for (const listener of all) listener.lost(error)
  }

  #end(): void {
    this.#emptied()
    this.#life.abort()
  }

  async #run(): Promise<void> {
    this.#failures = 0
    let refusals = 0
    while (!this.#life.signal.aborted) {
      try {
        await this.#stream()
        refusals = 0
      } catch (thrown) {
        if (this.#life.signal.aborted) return
        if (thrown instanceof TokenRefused && refusals === 0) {
          // A token has its time, and a watch may be the first to hear of its end.
          refusals += 1
          this.#parts.gateway.forgetToken()
        } else if (!(thrown instanceof Elsewhere) || ++this.#failures >= this.#parts.settings.endpoints.length) {
          throw thrown instanceof TokenRefused ? denied(thrown) : thrown
        }
      }
    }
  }

  /** Follow one stream to its end. Resolves where another is to be opened in its place, rejects when it was lost. */
  async #stream(): Promise<void> {
    const { gateway, settings } = this.#parts
    const { clock, silenceMs } = settings
    const replaced = new AbortController()
    const replace = () => replaced.abort(new Error('replaced'))
    const unfollow = follow(this.#life.signal, replaced)
    let unmove = () => {}
    let cancel = () => {}
    const heard = () => {
      cancel()
      cancel = clock.timer(silenceMs, replace, false)
    }
    try {
      const start = this.#from > 0 ? { start_revision: String(this.#from) } : {}
      const question = { create_request: { ...rangeOf(this.#prefix), progress_notify: true, ...start } }
      // A member that has lost its cluster would be silent for ever; this way it says so.
      const { endpoint, response } = await gateway.open('/v3/watch', question, { 'grpc-metadata-hasleader': 'true' }, replaced.signal)
      // Another member is asked from now on: ours may be dead, and not even able to say so.
      unmove = gateway.onMoved(replace)
      await this.#follow(endpoint, response, replaced.signal, heard).catch((thrown: unknown) => {
        // This move is ours: it is an end, not a replacement.
        unmove()
        if (thrown instanceof Elsewhere) gateway.leave(endpoint)
        throw thrown
      })
    } catch (thrown) {
      if (!replaced.signal.aborted || this.#life.signal.aborted) throw thrown
    } finally {
      cancel()
      unmove()
      unfollow()
      replaced.abort()
    }
  }

  /** Resolves where what we asked for has been compacted; rejects when the stream ends. */
  async #follow(endpoint: string, { body }: EtcdResponse, signal: AbortSignal, heard: () => void): Promise<void> {
    if (!body) throw new TenureError('store-unfit', 'etcd: the `fetch` that was given has no streams')
    try {
      for await (const answer of answersOf(body.getReader(), signal, heard)) {
        if (!this.#take(answer, hostOf(endpoint))) return
      }
    } catch (thrown) {
      if (signal.aborted || thrown instanceof TenureError || thrown instanceof TokenRefused || thrown instanceof Elsewhere) throw thrown
      throw failure(hostOf(endpoint), thrown)
    }
    throw new Elsewhere(new TenureError('store-unreachable', `etcd: ${hostOf(endpoint)}: the watch ended`))
  }

  /** Understand one message. False: what we asked for has been compacted, begin anew. */
  #take(answer: WatchAnswer, host: string): boolean {
    if (answer.canceled && numberOf(answer.compact_revision) > 0) {
      this.#from = 0
      return false
    }
    if (answer.canceled) throw cancellation(host, answer.cancel_reason ?? '')
    const events = answer.events ?? []
    if (answer.created) {
      // A stream that resumes has missed nothing; one that begins has, and all look for themselves.
      if (this.#from > 0) return true
      this.#placed = true
      for (const election of [...this.#listeners.keys()]) this.#tell(election)
    } else this.#failures = 0
    const last = events.at(-1)?.kv?.mod_revision ?? answer.header?.revision
    this.#from = Math.max(this.#from, numberOf(last) + 1)
    const touched = new Set<string>()
    for (const { type, kv } of events) {
      const key = decode(kv?.key)
      const election = this.#parts.names.election(key)
      if (election === undefined) continue
      touched.add(election)
      if (type === 'DELETE') this.#parts.deleted(election, key, numberOf(kv?.mod_revision))
      else this.#parts.taken(election)
    }
    for (const election of touched) this.#tell(election)
    return true
  }

  #tell(election: string): void {
    for (const listener of [...(this.#listeners.get(election) ?? [])]) listener.changed()
  }
}

/** What a stream says, line by line. */
async function* answersOf(reader: EtcdReader, signal: AbortSignal, heard: () => void): AsyncGenerator<WatchAnswer> {
  const decoder = new TextDecoder()
  // A line can be long and come in many pieces: only the new piece is searched for its end.
  let begun: string[] = []
  heard()
  for (;;) {
    const { done, value } = await abortable(reader.read(), signal)
    if (done) return
    heard()
    const [first = '', ...more] = decoder.decode(value, { stream: true }).split('\n')
    begun.push(first)
    if (more.length === 0) continue
    const lines = [begun.join(''), ...more.slice(0, -1)]
    begun = more.slice(-1)
    for (const line of lines) {
      if (line === '') continue
      const { result, error } = JSON.parse(line) as { result?: WatchAnswer; error?: { message?: string } }
      if (result) yield result
      else throw cancellation('etcd', error?.message ?? '')
    }
  }
}

function denied({ message }: TokenRefused): TenureError {
  return new TenureError('store-denied', `etcd: watch: ${message}: give \`username\` and \`password\``)
}
