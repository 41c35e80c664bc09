/**
 * The ttl that each election was last bid for with, for as long as anything stands here: a bid, a hold, a watch. The least
 * and the most of them are asked for with every statement, and so must cost nothing however many there are.
 */

/** Where no bid has told: the ttl that candidates of this store have by default. */
export const USUAL_TTL_MS = 15_000

interface Entry {
  /** How much stands here of this election. */
  standing: number
  ttlMs: number | undefined
}

export class Ttls {
  readonly #entries = new Map<string, Entry>()
  /** How many elections have each ttl: mostly there are very few of them. */
  readonly #counts = new Map<number, number>()

  get(election: string): number {
    return this.#entries.get(election)?.ttlMs ?? USUAL_TTL_MS
  }

  /** Something of this election stands from now on, until it leaves. Its ttl counts where no bid has told. */
  enter(election: string, ttlMs?: number): void {
    const entry = this.#entries.get(election)
    if (entry) entry.standing += 1
    else this.#entries.set(election, { standing: 1, ttlMs: undefined })
    if (ttlMs !== undefined && entry?.ttlMs === undefined) this.set(election, ttlMs)
  }

  /** What has entered leaves; the ttl is forgotten when nothing stands any more. */
  leave(election: string): void {
    const entry = this.#entries.get(election)
    if (!entry) return
    entry.standing -= 1
    if (entry.standing > 0) return
    this.#entries.delete(election)
    this.#count(entry.ttlMs, -1)
  }

  /** A bid for what stands. Returns whether that is new. */
  set(election: string, ttlMs: number): boolean {
    const entry = this.#entries.get(election)
    if (!entry || entry.ttlMs === ttlMs) return false
    this.#count(entry.ttlMs, -1)
    this.#count(ttlMs, 1)
    entry.ttlMs = ttlMs
    return true
  }

  get least(): number {
    return this.#counts.size === 0 ? USUAL_TTL_MS : Math.min(...this.#counts.keys())
  }

  get most(): number {
    return this.#counts.size === 0 ? USUAL_TTL_MS : Math.max(...this.#counts.keys())
  }

  #count(ttlMs: number | undefined, by: 1 | -1): void {
    if (ttlMs === undefined) return
    const count = (this.#counts.get(ttlMs) ?? 0) + by
    if (count > 0) this.#counts.set(ttlMs, count)
    else this.#counts.delete(ttlMs)
  }
}
