/**
 * Chance by counter: every component of a simulation draws from its own stream, `hash(seed, component, n)`, so that
 * taking one fault away does not reshuffle the rest. It must depend on nothing but the seed and the name.
 */

export class Chance {
  readonly #key: number
  #drawn = 0

  constructor(seed: number, component: string) {
    this.#key = mixed(seed ^ hashText(component))
  }

  /** A number from 0 up to, not including, 1. */
  next(): number {
    this.#drawn += 1
    return mixed(this.#key + Math.imul(this.#drawn, 0x9e3779b9)) / 2 ** 32
  }

  /** A whole number from 0 up to, not including, `n`. */
  below(n: number): number {
    return Math.floor(this.next() * n)
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  hit(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0]
  }

  shuffled<T>(list: readonly T[]): T[] {
    const keyed = list.map((value) => ({ value, key: this.next() }))
    return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value)
  }
}

/** Thorough mixing of 32 bits (the finalizer of MurmurHash3, Austin Appleby). */
export function mixed(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** A hash of a text (FNV-1a), going on from `from`. */
export function hashText(text: string, from = 0x811c9dc5): number {
  let h = from
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}
