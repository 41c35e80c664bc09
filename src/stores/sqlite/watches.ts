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

/** One watch. It is its own listener: a process that watches ten thousand elections keeps no closures for them. */
class Watcher {
  readonly #owner: Pick<Watches, 'leave'>
  readonly #changed: () => void
  readonly #signal: AbortSignal
  readonly #ended: () => void
  readonly election: string

  constructor(owner: Pick<Watches, 'leave'>, election: string, changed: () => void, signal: AbortSignal, ended: () => void) {
    this.#owner = owner
    this.election = election
    this.#changed = changed
    this.#signal = signal
    this.#ended = ended
    signal.addEventListener('abort', this, { once: true })
  }

  changed(): void {
    if (!this.#signal.aborted) this.#changed()
  }

  /** Its signal was aborted. */
  handleEvent(): void {
    this.end()
  }

  end(): void {
    this.drop()
    this.#ended()
  }

  drop(): void {
    this.#signal.removeEventListener('abort', this)
    this.#owner.leave(this)
  }
}

export class Watches {
  readonly #parts: WatchesParts
  /** Mostly one for an election. */
  readonly #watchers = new Map<string, Watcher | Set<Watcher>>()
  #cancel: (() => void) | undefined
  /** The last news that everybody was told. */
  #told: number | undefined
  #gone = false

  constructor(parts: WatchesParts) {
    this.#parts = parts
  }

  watch(election: string, changed: () => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return resolve()
      const watcher = new Watcher(this, election, changed, signal, resolve)
      this.#parts.ready(signal).then(
        () => {
          if (signal.aborted) return
          this.#add(watcher)
          // Whoever is told from now on knows what was before: it looks by itself when it is told that the watch stands.
          if (!this.#cancel) this.#look()
          watcher.changed()
        },
        (thrown: unknown) => {
          if (signal.aborted) return
          watcher.drop()
          reject(thrown)
        },
      )
    })
  }

  /** There is news of our own: tell those of this process now. */
  look(): void {
    if (this.#watchers.size > 0) this.#parts.clock.afterPending(() => this.#look())
  }

  /** End all watches. */
  close(): void {
    for (const watcher of this.#all()) watcher.end()
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
    return connection.all(sinceSql, before).flatMap(([name]) => watchersIn(this.#watchers.get(name ?? '')))
  }

  #all(): readonly Watcher[] {
    return [...this.#watchers.values()].flatMap(watchersIn)
  }

  #add(watcher: Watcher): void {
    const { election } = watcher
    const others = this.#watchers.get(election)
    if (others instanceof Set) others.add(watcher)
    else this.#watchers.set(election, others ? new Set([others, watcher]) : watcher)
  }

  leave(watcher: Watcher): void {
    const { election } = watcher
    const others = this.#watchers.get(election)
    if (others === watcher) this.#watchers.delete(election)
    else if (others instanceof Set && others.delete(watcher) && others.size === 0) this.#watchers.delete(election)
    if (this.#watchers.size === 0) this.#look()
  }
}

function watchersIn(some: Watcher | ReadonlySet<Watcher> | undefined): readonly Watcher[] {
  if (some === undefined) return []
  return some instanceof Watcher ? [some] : [...some]
}
