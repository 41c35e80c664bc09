/** The ttl that each election was last bid for with, and the least and the most of them, known without a look at all. */

/** Where no bid has told: the ttl that candidates of this store have by default. */
export const USUAL_TTL_MS = 15_000

export class Ttls {
  readonly #ttls = new Map<string, number>()
  /** Known until one of them goes. */
  #extent: { least: number; most: number } | undefined

  get(election: string): number {
    return this.#ttls.get(election) ?? USUAL_TTL_MS
  }

  /** Returns whether that is new. */
  set(election: string, ttlMs: number): boolean {
    const before = this.#ttls.get(election)
    if (before === ttlMs) return false
    if (before !== undefined) this.#extent = undefined
    this.#ttls.set(election, ttlMs)
    if (this.#extent) this.#extent = { least: Math.min(this.#extent.least, ttlMs), most: Math.max(this.#extent.most, ttlMs) }
    return true
  }

  delete(election: string): void {
    if (this.#ttls.delete(election)) this.#extent = undefined
  }

  get least(): number {
    return this.#known().least
  }

  get most(): number {
    return this.#known().most
  }

  #known(): { least: number; most: number } {
    if (this.#extent) return this.#extent
    if (this.#ttls.size === 0) return { least: USUAL_TTL_MS, most: USUAL_TTL_MS }
    const extent = { least: Number.POSITIVE_INFINITY, most: 0 }
    for (const ttlMs of this.#ttls.values()) {
      extent.least = Math.min(extent.least, ttlMs)
      extent.most = Math.max(extent.most, ttlMs)
    }
    this.#extent = extent
    return extent
  }
}
