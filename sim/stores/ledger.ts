/**
 * What the store has written, in order, so that it can be lost again and read as it once was. It may forget only with a
 * declared loss (`lossAt`), from which on older grants are void.
 */

import type { World } from '../world.ts'
import type { Row } from './rows.ts'

interface Entry {
  readonly election: string
  readonly before: Row | undefined
  readonly at: number
}

/** Older writes than so many are safe, and seen by every read. */
const MOST_ENTRIES = 200

export class Ledger {
  /** When, in true time, an election last lost what had been promised. */
  readonly lossAt = new Map<string, number>()
  /** Elections that have forgotten a tenure. */
  readonly setBack = new Set<string>()
  /** Holders whose record was lost, or deleted by an operator. */
  readonly removed = new Set<string>()
  readonly #world: World
  readonly #rows = new Map<string, Row>()
  #log: Entry[] = []
  #versions = 0
  #instant = { at: -1, writes: 0 }

  constructor(world: World) {
    this.#world = world
  }

  /** The version that the next write bears. */
  get version(): number {
    return this.#versions + 1
  }

  get rows(): Iterable<readonly [election: string, row: Row]> {
    return this.#rows
  }

  row(election: string): Row | undefined {
    return this.#rows.get(election)
  }

  /** The store's clock in microseconds: no two writes begin in the same one, though simulated time counts milliseconds. */
  microseconds(now: number): number {
    const { at, writes } = this.#instant
    return Math.floor(now * 1000) + (at === this.#world.now ? writes : 0)
  }

  /** Use up a version; what it was taken for may become visible later. */
  begin(): void {
    const { now } = this.#world
    this.#versions += 1
    this.#instant = { at: now, writes: this.#instant.at === now ? this.#instant.writes + 1 : 1 }
  }

  write(election: string, row: Row | undefined): void {
    this.#log.push({ election, before: this.#rows.get(election), at: this.#world.now })
    if (this.#log.length > MOST_ENTRIES) this.#log = this.#log.slice(-MOST_ENTRIES / 2)
    this.#put(election, row)
  }

  /** The row as it was `ageMs` ago. */
  past(election: string, ageMs: number): Row | undefined {
    const horizon = this.#world.now - ageMs
    const later = ageMs > 0 ? this.#log.find((entry) => entry.election === election && entry.at > horizon) : undefined
    return later ? later.before : this.#rows.get(election)
  }

  declareLoss(election: string): void {
    this.lossAt.set(election, this.#world.now)
    this.#world.note('store', 'loses', election)
  }

  /** The last so many writes are gone; or everything. */
  lose(count: number | 'all'): void {
    const gone = count === 'all' ? [...this.#rows.keys()].map((election) => ({ election, before: undefined })) : this.#takeBack(count)
    if (count === 'all') this.#log = []
    for (const { election, before } of gone) {
      const holder = this.#rows.get(election)?.holder
      if (holder !== undefined && holder !== before?.holder) this.removed.add(holder)
      this.#put(election, before && { ...before, writtenAt: this.#world.now })
      this.declareLoss(election)
      this.setBack.add(election)
      this.#world.count(count === 'all' ? 'lostAll' : 'lostCommit')
    }
  }

  #takeBack(count: number): readonly Pick<Entry, 'election' | 'before'>[] {
    return this.#log.splice(Math.max(0, this.#log.length - count), count).reverse()
  }

  /** Rows change although nobody wrote: the clock that they are measured by was stepped. */
  revise(change: (row: Row) => Row): void {
    for (const [election, row] of this.#rows) this.#rows.set(election, change(row))
  }

  #put(election: string, row: Row | undefined): void {
    if (row) this.#rows.set(election, row)
    else this.#rows.delete(election)
  }
}
