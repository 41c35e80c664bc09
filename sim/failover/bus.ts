/** A bus that does what buses do: loses, delays, doubles and reorders; and which of its members are cut from it. */

import type { Bus, Member } from '../../src/failover.ts'
import { Chance } from '../chance.ts'
import type { World } from '../world.ts'
import type { Node } from './node.ts'
import type { Plan } from './plan.ts'

export const LIAR = 'liar'

interface Seat {
  readonly node: Node
  readonly member: Member
  readonly fail: (error: Error) => void
  isJoined: boolean
}

export class SimBus {
  readonly #world: World
  readonly #plan: Plan
  readonly #ways: Chance
  readonly #seats = new Set<Seat>()
  isSlow = false
  #isDown = false

  constructor(world: World, plan: Plan) {
    this.#world = world
    this.#plan = plan
    this.#ways = new Chance(world.seed, 'ways:bus')
  }

  endOf(node: Node): Bus {
    return {
      name: 'bus',
      join: (member, signal) => this.#join(node, member, signal),
      send: async (text) => {
        if (this.#isDown) throw new Error('the bus is down')
        node.says(text)
        await this.#sent(node, text)
      },
    }
  }

  fall(): void {
    this.#isDown = true
    for (const seat of [...this.#seats]) seat.node.host.enter(() => this.#end(seat))
  }

  rise(): void {
    this.#isDown = false
  }

  /** Somebody's process has died. */
  lost(node: Node): void {
    for (const seat of [...this.#seats].filter((one) => one.node === node)) {
      this.#seats.delete(seat)
      if (!this.#plan.tellsEnds) continue
      for (const other of this.#seats) this.#bring(other, () => other.member.closed(seat.member.name))
    }
  }

  /** Somebody says once what is not so. */
  lie(kind: 'heartbeat' | 'leaving'): void {
    const fencingToken = Number.MAX_SAFE_INTEGER
    this.#send(JSON.stringify({ tenure: 'failover', format: 1, election: 'orders', kind, from: LIAR, node: LIAR, fencingToken }))
  }

  members(node: Node): number {
    return [...this.#seats].filter((seat) => seat.node === node).length
  }

  #join(node: Node, member: Member, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isDown) return reject(new Error('the bus is down'))
      const seat: Seat = { node, member, fail: reject, isJoined: false }
      this.#seats.add(seat)
      signal.addEventListener('abort', () => {
        this.#seats.delete(seat)
        resolve()
      })
      this.#world.in(this.#ways.between(0.1, this.#plan.wayMs), () =>
        node.host.enter(() => {
          if (!this.#seats.has(seat)) return
          seat.isJoined = true
          member.joined()
        }),
      )
    })
  }

  #end(seat: Seat): void {
    if (!this.#seats.delete(seat)) return
    seat.fail(new Error('the bus fell'))
  }

  /** What is said takes a moment to leave, and goes nowhere if its sender has left before. */
  #sent(node: Node, text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#world.in(this.#ways.between(0.05, this.#plan.wayMs / 2), () => {
        const hasLeft = this.members(node) === 0
        if (!hasLeft && !node.isMute && !node.isOffBus) this.#send(text)
        node.host.enter(() => (hasLeft ? reject(new Error('left')) : resolve()))
      })
    })
  }

  #send(text: string): void {
    for (const seat of this.#seats) {
      if (!seat.isJoined) continue
      const times = this.isSlow && this.#ways.hit(0.2) ? 2 : this.isSlow && this.#ways.hit(0.2) ? 0 : 1
      for (let i = 0; i < times; i++) this.#bring(seat, () => seat.member.heard(text))
    }
  }

  #bring(seat: Seat, tell: () => void): void {
    const { ttlMs, wayMs } = this.#plan
    const delay = this.isSlow ? this.#ways.between(0, 3 * ttlMs) * this.#ways.next() : this.#ways.between(0.05, wayMs)
    this.#world.in(delay, () =>
      seat.node.host.enter(() => {
        if (this.#seats.has(seat) && !seat.node.isDeaf && !seat.node.isOffBus) tell()
      }),
    )
  }
}
