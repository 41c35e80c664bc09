/**
 * The network between the processes and the store. It loses, delays, doubles and reorders, in each direction on its
 * own; what it holds back while it is cut it may deliver when it heals. It must never deliver what nobody sent.
 */

import { Chance } from './chance.ts'
import type { Host } from './process.ts'
import type { World } from './world.ts'

export interface Noise {
  readonly host: number
  readonly lose: number
  readonly loseAnswers: number
  readonly double: number
  readonly slowMs: number
}

interface Cut {
  readonly host: number
  readonly up: boolean
  readonly down: boolean
  readonly held: boolean
}

export type Way = 'up' | 'down'

/** What a message of a store call is about. */
export interface About {
  readonly purpose: string
  readonly election: string
  /** It says that a lease was given. */
  readonly granted: boolean
}

interface Held {
  readonly cut: Cut
  readonly deliver: () => void
}

export interface Wire {
  /** What was sent before this instant arrives by then, more or less: the network has healed. */
  readonly horizonMs: number
  readonly latencyMs: number
  readonly jitterMs: number
  readonly grid: boolean
}

export class Network {
  readonly #world: World
  readonly #wire: Wire
  readonly #chances = new Map<string, Chance>()
  readonly #noises = new Set<Noise>()
  readonly #cuts = new Set<Cut>()
  #held: Held[] = []
  /** Messages under way, by the name of their process. */
  readonly underWay = new Map<string, number>()
  /** A script may want a message late by so many milliseconds, or lost (Infinity): asked for each. */
  trap: ((way: Way, about: About, host: Host) => number) | undefined

  constructor(world: World, wire: Wire) {
    this.#world = world
    this.#wire = wire
  }

  /** Longest time that a message takes when all is well. */
  get mostMs(): number {
    return this.#wire.latencyMs + this.#wire.jitterMs
  }

  noise(noise: Noise): () => void {
    this.#noises.add(noise)
    return () => void this.#noises.delete(noise)
  }

  cut(cut: Cut): () => void {
    this.#cuts.add(cut)
    return () => {
      this.#cuts.delete(cut)
      const freed = this.#held.filter((held) => held.cut === cut)
      this.#held = this.#held.filter((held) => held.cut !== cut)
      for (const { deliver } of freed) deliver()
    }
  }

  /** Carry a message. `deliver` is called when it arrives, perhaps never, perhaps twice. */
  carry(host: Host, way: Way, label: string, about: About | undefined, deliver: () => void): void {
    const chance = this.#chanceOf(host, way)
    const noises = [...this.#noises].filter((noise) => noise.host === -1 || noise.host === host.number)
    const lost = noises.some((noise) => chance.hit(way === 'up' ? noise.lose : noise.loseAnswers))
    const trapped = (about && this.trap?.(way, about, host)) ?? 0
    if (trapped === Number.POSITIVE_INFINITY || lost) {
      this.#world.count(way === 'up' ? 'lostRequest' : 'lostAnswer')
      this.#world.note(host.name, `lost ${way}`, label)
      return
    }
    const slowMs = noises.reduce((sum, noise) => sum + noise.slowMs, 0)
    const cut = [...this.#cuts].find((one) => one.host === host.number && (way === 'up' ? one.up : one.down))
    const doubled = way === 'up' && noises.some((noise) => chance.hit(noise.double))
    // A process that has blocked its loop lives ahead of the world; what is sent to it does not.
    const start = (way === 'up' ? host.now : this.#world.now) + trapped
    for (let copy = 0; copy < (doubled ? 2 : 1); copy++) {
      // A second copy may come much later: a driver has repeated the request behind our back.
      const delay = this.#delay(chance, slowMs) + (copy === 0 ? 0 : Math.round(chance.next() ** 3 * (slowMs * 20 + 200)))
      const latest = Math.max(start, this.#wire.horizonMs) + this.mostMs
      this.#send(host, Math.min(start + delay, latest), deliver, cut, label)
      if (copy > 0) this.#world.count('doubled')
    }
  }

  #send(host: Host, at: number, deliver: () => void, cut: Cut | undefined, label: string): void {
    const arrive = () => {
      this.#under(host, -1)
      deliver()
    }
    if (!cut) {
      this.#under(host, 1)
      this.#world.at(at, arrive)
      return
    }
    this.#world.note(host.name, cut.held ? 'held' : 'cut off', label)
    if (!cut.held) return
    this.#under(host, 1)
    this.#held.push({ cut, deliver: () => this.#world.at(Math.max(at, this.#world.now), arrive) })
  }

  #under(host: Host, change: 1 | -1): void {
    this.underWay.set(host.name, (this.underWay.get(host.name) ?? 0) + change)
  }

  #delay(chance: Chance, slowMs: number): number {
    const { latencyMs, jitterMs, grid } = this.#wire
    const jitter = chance.next()
    // A heavy tail: most messages hardly notice, a few take many times as long.
    const tail = slowMs === 0 ? 0 : Math.min(slowMs * 8, slowMs * 0.2 * (1 / (1 - chance.next()) - 1))
    return grid ? Math.floor(jitter * (jitterMs + 1)) + Math.round(tail) : latencyMs + jitter * jitterMs + tail
  }

  #chanceOf(host: Host, way: Way): Chance {
    const key = `${host.name}:${way}`
    const chance = this.#chances.get(key) ?? new Chance(this.#world.seed, `net:${key}`)
    this.#chances.set(key, chance)
    return chance
  }
}
