/**
 * What one store object has seen of one lease, and since when: with it an observer decides, by its own monotonic clock
 * alone, that a lease is over. May assume that it is told of each look in order. It must never count time before the
 * read returned, nor let a lease end early because its files are gone.
 */

import type { Clock } from '../../clock.ts'
import type { Version } from './chain.ts'
import type { LeaseRecord } from './record.ts'

/** A lease whose chain has vanished: its holder may not know, so it is waited out. */
interface Ghost {
  readonly record: LeaseRecord
  readonly until: number
}

export class Sightings {
  readonly #clock: Clock
  #last: Version | undefined
  /** When the read that first showed the last version returned. */
  #since = 0
  /** Its holder is known to have died. */
  #dead = false
  #ghost: Ghost | undefined
  #fencingToken = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The largest token ever seen, also in a chain that is gone. */
  get fencingToken(): number {
    return this.#fencingToken
  }

  /** Whether the lease seen last has this socket for a sign of life. */
  carries(socket: string): boolean {
    return this.#last?.record?.socket?.name === socket
  }

  /** Take in what a look has just shown. The same version means the same bytes, never the same number alone. */
  see(version: Version | undefined): void {
    const last = this.#last
    if (version && last && version.number === last.number && version.bytes.equals(last.bytes)) return
    if (last?.record && last.record.chain !== version?.record?.chain) this.#haunt(last.record)
    this.#last = version
    this.#fencingToken = Math.max(this.#fencingToken, version?.fencingToken ?? 0)
    this.#since = this.#clock.mono()
    this.#dead = false
  }

  /** What is left of the lease seen last, for those who only observe it. */
  remainingMs(): number {
    if (!this.#last || this.#dead) return 0
    return Math.max(0, this.#last.ttlMs - (this.#clock.mono() - this.#since))
  }

  /** The holder of the lease seen last has died: nothing is left of it. */
  died(): void {
    this.#dead = true
  }

  /** A lease that may still be believed in although its chain has vanished. */
  ghost(): { readonly record: LeaseRecord; readonly remainingMs: number } | undefined {
    const remainingMs = this.#ghost ? this.#ghost.until - this.#clock.mono() : 0
    if (this.#ghost && remainingMs > 0) return { record: this.#ghost.record, remainingMs }
    this.#ghost = undefined
    return undefined
  }

  /** This holder has given its lease back: nobody waits for its ghost. */
  exorcise(holder: string): void {
    if (this.#ghost?.record.holder === holder) this.#ghost = undefined
  }

  #haunt(record: LeaseRecord): void {
    const until = this.#clock.mono() + this.remainingMs()
    if (until > (this.#ghost?.until ?? this.#clock.mono())) this.#ghost = { record, until }
  }
}
