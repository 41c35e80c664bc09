/**
 * Hears of releases, for all watches of a store on one connection. News is a hint: it may be lost on the way, and
 * nothing depends on it. A lost connection ends all watches, whose owners arm new ones when the store answers again.
 */

import type { Clock } from '../../clock.ts'
import type { Ear } from './wire.ts'

/** How long it may take until news can be heard, in milliseconds. */
const OPEN_MS = 5_000

interface Watcher {
  readonly changed: () => void
  readonly lost: (reason: Error) => void
}

export interface NewsParts {
  readonly clock: Clock
  readonly channel: string
  /** A connection to listen on, not open yet. */
  open(gone: (reason: Error) => void): Promise<Ear>
}

/** One connection, from the first wish for it. */
interface Listening {
  ear: Ear | undefined
  heard: boolean
  over: boolean
}

export class News {
  readonly #parts: NewsParts
  readonly #watchers = new Map<string, Set<Watcher>>()
  #listening: Listening | undefined

  constructor(parts: NewsParts) {
    this.#parts = parts
  }

  /** Pending until the signal aborts; rejects when the connection is lost. */
  watch(election: string, changed: () => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#remove(election, watcher)
        resolve()
      }
      const watcher: Watcher = {
        changed,
        lost(reason) {
          signal.removeEventListener('abort', end)
          reject(reason)
        },
      }
      signal.addEventListener('abort', end, { once: true })
      const others = this.#watchers.get(election) ?? new Set()
      this.#watchers.set(election, others.add(watcher))
      if (this.#listening?.heard) queueMicrotask(() => void (others.has(watcher) && changed()))
      else this.#listen()
    })
  }

  /** The connection is not to be trusted: end all watches. */
  lost(reason: Error): void {
    this.#stop()
    const all = [...this.#watchers.values()]
    this.#watchers.clear()
    for (const others of all) {
      for (const watcher of others) watcher.lost(reason)
      others.clear()
    }
  }

  #listen(): void {
    if (this.#listening) return
    const listening: Listening = { ear: undefined, heard: false, over: false }
    this.#listening = listening
    const lost = (reason: Error) => {
      if (!listening.over) this.lost(reason)
    }
    const cancel = this.#parts.clock.timer(OPEN_MS, () => lost(new Error(`could not subscribe within ${OPEN_MS} ms`)), false)
    this.#subscribe(listening, lost).catch(lost).finally(cancel)
  }

  async #subscribe(listening: Listening, lost: (reason: Error) => void): Promise<void> {
    const { channel, open } = this.#parts
    const ear = await open(lost)
    listening.ear = ear
    if (listening.over) return ear.cut()
    await ear.open()
    // Some clients would open themselves again.
    if (listening.over) return
    await ear.subscribe(channel, (election) => this.#tell(election))
    if (listening.over) return
    // From here on it only waits for news.
    ear.keepAlive(false)
    listening.heard = true
    for (const election of [...this.#watchers.keys()]) this.#tell(election)
  }

  #tell(election: string): void {
    for (const watcher of [...(this.#watchers.get(election) ?? [])]) watcher.changed()
  }

  #remove(election: string, watcher: Watcher): void {
    const others = this.#watchers.get(election)
    others?.delete(watcher)
    if (others?.size === 0) this.#watchers.delete(election)
    if (this.#watchers.size === 0) this.#stop()
  }

  #stop(): void {
    const { ear } = this.#listening ?? {}
    if (this.#listening) this.#listening.over = true
    this.#listening = undefined
    ear?.cut()
  }
}
