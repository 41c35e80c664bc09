/**
 * One look at intervals for all watches of a store: whether any election has changed hands since the last. Costs one
 * number while nothing happens; renewals are no news. What one look misses, because the database is locked or broken,
 * the next finds: a watch is a hint.
 */

import type { Clock } from '../../clock.ts'
import type { Connection } from './connection.ts'
import { newsSql, sinceSql } from './rows.ts'

export interface WatchesParts {
  readonly connection: Connection
  readonly clock: Clock
  readonly pollMs: number
  /** Resolves when the file is known to be fit. */
  ready(signal: AbortSignal): Promise<unknown>
}

interface Watcher {
  readonly changed: () => void
  readonly ended: () => void
}

export class Watches {
  readonly #parts: WatchesParts
  readonly #watchers = new Map<string, Set<Watcher>>()
  #cancel: (() => void) | undefined
  /** The last news that everybody was told. */
  #told: number | undefined
  #gone = false

  constructor(parts: WatchesParts) {
    this.#parts = parts
  }

  watch(election: string, changed: () => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const watcher: Watcher = {
        changed: () => {
          if (!signal.aborted) changed()
        },
        ended: () => {
          end()
          resolve()
        },
      }
      const end = () => {
        signal.removeEventListener('abort', watcher.ended)
        this.#remove(election, watcher)
      }
      if (signal.aborted) return resolve()
      signal.addEventListener('abort', watcher.ended, { once: true })
      const armed = () => {
        if (signal.aborted) return
        this.#add(election, watcher)
        // Whoever is told from now on knows what was before: it looks by itself when it is told that the watch stands.
        if (!this.#cancel) this.#look()
        watcher.changed()
      }
      this.#parts.ready(signal).then(armed, (thrown: unknown) => {
        if (signal.aborted) return
        end()
        reject(thrown)
      })
    })
  }

  /** There is news of our own: tell those of this process now. */
  look(): void {
    if (this.#watchers.size > 0) this.#parts.clock.afterPending(() => this.#look())
  }

  /** End all watches. */
  close(): void {
    for (const watcher of this.#all()) watcher.ended()
  }

  #look(): void {
    this.#cancel?.()
    this.#cancel = undefined
    if (this.#watchers.size === 0) {
      this.#told = undefined
      return
    }
    this.#cancel = this.#parts.clock.timer(this.#parts.pollMs, () => this.#look(), false)
    for (const watcher of this.#concerned()) watcher.changed()
  }

  #concerned(): readonly Watcher[] {
    const { connection } = this.#parts
    try {
      return connection.glance(() => this.#heard())
    } catch {
      // Locked, or broken: whoever asks next is told. But nobody may go on leading in a file that is gone.
      if (this.#gone || !connection.moved) return []
      this.#gone = true
      return this.#all()
    }
  }

  #heard(): readonly Watcher[] {
    const { connection } = this.#parts
    const before = this.#told
    const now = Number(connection.all(newsSql)[0]?.[0] ?? 0)
    this.#told = now
    if (before === undefined || now === before) return []
    // An operator has deleted the last news: nobody knows what has changed.
    if (now < before) return this.#all()
    return connection.all(sinceSql, before).flatMap(([name]) => [...(this.#watchers.get(name ?? '') ?? [])])
  }

  #all(): readonly Watcher[] {
    return [...this.#watchers.values()].flatMap((watchers) => [...watchers])
  }

  #add(election: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(election) ?? new Set()
    watchers.add(watcher)
    this.#watchers.set(election, watchers)
  }

  #remove(election: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(election)
    if (!watchers?.delete(watcher)) return
    if (watchers.size === 0) this.#watchers.delete(election)
    if (this.#watchers.size === 0) this.#look()
  }
}
