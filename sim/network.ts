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

export interface Message {
  readonly host: Host
  readonly way: Way
  /** For the timeline. */
  readonly label: string
  readonly about?: About
  /** Called when it arrives: perhaps never, perhaps twice. */
  deliver(): void
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
  readonly #chances = new Map<Host, Record<Way, Chance>>()
  #noises: readonly Noise[] = []
  #cuts: readonly Cut[] = []
  #held: Held[] = []
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
    this.#noises = [...this.#noises, noise]
    return () => {
      this.#noises = this.#noises.filter((other) => other !== noise)
    }
  }

  cut(cut: Cut): () => void {
    this.#cuts = [...this.#cuts, cut]
    return () => {
      this.#cuts = this.#cuts.filter((other) => other !== cut)
      const freed = this.#held.filter((held) => held.cut === cut)
      this.#held = this.#held.filter((held) => held.cut !== cut)
      for (const { deliver } of freed) deliver()
    }
  }

  carry(message: Message): void {
    const { host, way, label, about } = message
    const chance = this.#chanceOf(host, way)
    const noises = this.#noises.filter((noise) => noise.host === -1 || noise.host === host.number)
    const lost = noises.some((noise) => chance.hit(way === 'up' ? noise.lose : noise.loseAnswers))
    const trapped = (about && this.trap?.(way, about, host)) ?? 0
    if (trapped === Number.POSITIVE_INFINITY || lost) {
      this.#world.count(way === 'up' ? 'lostRequest' : 'lostAnswer')
      this.#world.note(host.name, `lost ${way}`, label)
      return
    }
    const slowMs = noises.reduce((sum, noise) => sum + noise.slowMs, 0)
    // A process that has blocked its loop lives ahead of the world; what is sent to it does not.
    const start = (way === 'up' ? host.now : this.#world.now) + trapped
    this.#send(message, start, this.#delay(chance, slowMs))
    if (way === 'down' || !noises.some((noise) => chance.hit(noise.double))) return
    // The second copy may come much later: a driver has repeated the request behind our back.
    this.#world.count('doubled')
    this.#send(message, start, this.#delay(chance, slowMs) + Math.round(chance.next() ** 3 * (slowMs * 20 + 200)))
  }

  #send({ host, way, label, deliver }: Message, start: number, delayMs: number): void {
    const latest = Math.max(start, this.#wire.horizonMs) + this.mostMs
    const at = Math.min(start + delayMs, latest)
    const cut = this.#cuts.find((one) => one.host === host.number && one[way])
    if (!cut) return this.#world.at(at, deliver)
    this.#world.note(host.name, cut.held ? 'held' : 'cut off', label)
    if (cut.held) this.#held.push({ cut, deliver: () => this.#world.at(at, deliver) })
  }

  #delay(chance: Chance, slowMs: number): number {
    const { latencyMs, jitterMs, grid } = this.#wire
    const jitter = chance.next()
    // A heavy tail: most messages hardly notice, a few take many times as long.
    const tail = slowMs === 0 ? 0 : Math.min(slowMs * 8, slowMs * 0.2 * (1 / (1 - chance.next()) - 1))
    return grid ? Math.floor(jitter * (jitterMs + 1)) + Math.round(tail) : latencyMs + jitter * jitterMs + tail
  }

  #chanceOf(host: Host, way: Way): Chance {
    let chances = this.#chances.get(host)
    if (!chances) {
      const { seed } = this.#world
      chances = { up: new Chance(seed, `net:${host.name}:up`), down: new Chance(seed, `net:${host.name}:down`) }
      this.#chances.set(host, chances)
    }
    return chances[way]
  }
}
