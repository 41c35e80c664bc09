/**
 * One LISTEN for all watches of a store. A watch is lost together with the session that listens: whoever had it looks by
 * itself, and arms a new one. Where no notification can come, a watch stays silent and its owner goes on polling.
 */

import type { TenureError } from '../../errors.ts'
import type { Line } from './line.ts'
import type { Session } from './session.ts'

export interface WatchesParts {
  /** The line whose session listens. */
  readonly line: Pick<Line, 'session' | 'use' | 'relax'>
  /** How long the server may take to begin listening, in milliseconds. */
  limitMs(): number
  /** Said once: releases are not told here, so that followers poll. */
  silent(why: string): void
  /** A release was heard of. @default its watches are told */
  heard?(election: string): void
}

interface Watcher {
  readonly changed: () => void
  readonly ended: () => void
  readonly lost: (error: TenureError) => void
}

const CHANNEL = 'tenure_release'

export class Watches {
  readonly #parts: WatchesParts
  readonly #watchers = new Map<string, Set<Watcher>>()
  #listening: { readonly session: Session; readonly done: Promise<boolean> } | undefined

  constructor(parts: WatchesParts) {
    this.#parts = parts
  }

  /** Whether somebody watches: the line keeps its session as long. */
  get any(): boolean {
    return this.#watchers.size > 0
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
        lost: (error) => {
          end()
          reject(error)
        },
      }
      const end = () => {
        signal.removeEventListener('abort', watcher.ended)
        this.#remove(election, watcher)
      }
      if (signal.aborted) return resolve()
      signal.addEventListener('abort', watcher.ended, { once: true })
      this.#add(election, watcher)
      this.#arm(signal).then((armed) => armed && this.#has(election, watcher) && watcher.changed(), watcher.lost)
    })
  }

  /** The election may have changed hands. */
  tell(election: string): void {
    for (const watcher of [...(this.#watchers.get(election) ?? [])]) watcher.changed()
  }

  /** The session that listened is gone. */
  lost(error: TenureError): void {
    this.#listening = undefined
    for (const watcher of this.#all()) watcher.lost(error)
  }

  /** End all watches. */
  close(): void {
    for (const watcher of this.#all()) watcher.ended()
  }

  /** Resolves with whether releases will be told. */
  #arm(signal: AbortSignal): Promise<boolean> {
    const { line, limitMs } = this.#parts
    if (this.#listening && this.#listening.session === line.session) return this.#listening.done
    return line.use({ verb: 'watch', signal, limitMs: limitMs() }, (session) => this.#listen(session))
  }

  #listen(session: Session): Promise<boolean> {
    if (this.#listening?.session !== session) this.#listening = { session, done: this.#begin(session) }
    return this.#listening.done
  }

  async #begin(session: Session): Promise<boolean> {
    if (session.pooled) {
      this.#parts.silent('a pooler stands before the server, so that no LISTEN reaches it')
      return false
    }
    await session.listen(
      CHANNEL,
      (election) => (this.#parts.heard ? this.#parts.heard(election) : this.tell(election)),
      () => this.#tellAll(),
    )
    return true
  }

  #tellAll(): void {
    for (const watcher of this.#all()) watcher.changed()
  }

  #all(): readonly Watcher[] {
    return [...this.#watchers.values()].flatMap((watchers) => [...watchers])
  }

  #has(election: string, watcher: Watcher): boolean {
    return this.#watchers.get(election)?.has(watcher) === true
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
    if (!this.any) this.#parts.line.relax()
  }
}
