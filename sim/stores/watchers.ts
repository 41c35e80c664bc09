/**
 * Who wants to hear of changes. Pushes travel through the network, so they are lost, late and doubled like everything
 * else; a watch can die with or without its owner being told.
 */

import type { Network } from '../network.ts'
import type { Plan } from '../plan.ts'
import type { Host } from '../process.ts'
import type { World } from '../world.ts'

export interface Watcher {
  readonly host: Host
  readonly election: string
  changed(): void
  lost(): void
}

export class Watchers {
  readonly #world: World
  readonly #plan: Plan
  readonly #network: Network
  readonly #all = new Set<Watcher>()

  constructor(world: World, plan: Plan, network: Network) {
    this.#world = world
    this.#plan = plan
    this.#network = network
  }

  add(watcher: Watcher): void {
    this.#all.add(watcher)
    this.#push(watcher)
  }

  /** Whether the server would tell this process of changes. */
  has(host: Host, election: string): boolean {
    return [...this.#all].some((watcher) => watcher.host === host && watcher.election === election)
  }

  remove(watcher: Watcher): void {
    this.#all.delete(watcher)
  }

  /** Tell everybody that the election may have changed hands. */
  tell(election: string, freed: boolean): void {
    if (this.#plan.watch === 'silent' || (this.#plan.watch === 'releases' && !freed)) return
    for (const watcher of this.#all) if (watcher.election === election) this.#push(watcher)
  }

  /** Call for nothing. */
  nudge(host: Host, times: number): void {
    for (const watcher of this.#all) {
      if (watcher.host === host) for (let i = 0; i < times; i++) this.#push(watcher)
    }
  }

  /** The watches of a process die; `told`: their owner hears of it. */
  drop(host: Host, told: boolean): void {
    for (const watcher of [...this.#all].filter((one) => one.host === host)) this.#drop(watcher, told)
  }

  /** The store has died: everybody hears of it, for their connections are reset. */
  clear(): void {
    for (const watcher of [...this.#all]) this.#drop(watcher, true)
  }

  #drop(watcher: Watcher, told: boolean): void {
    this.#all.delete(watcher)
    this.#world.count('watchLost')
    if (told) this.#carry(watcher, 'watch lost', () => watcher.lost())
  }

  #push(watcher: Watcher): void {
    this.#carry(watcher, 'watch', () => watcher.changed())
  }

  #carry({ host }: Watcher, label: string, told: () => void): void {
    this.#network.carry({ host, way: 'down', label, deliver: () => host.deliver(told) })
  }
}
