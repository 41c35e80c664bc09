/**
 * One world with its instances: first everything goes wrong that the plan has, then all of it heals, and there has to be
 * a primary within the bound that is promised; at last the hints have to be worth something.
 */

import type { World } from '../world.ts'
import { Arbiter } from './arbiter.ts'
import { LIAR, SimBus } from './bus.ts'
import { Judge } from './judge.ts'
import { Node } from './node.ts'
import type { Fault, Plan } from './plan.ts'

export class Pack {
  readonly world: World
  readonly plan: Plan
  readonly arbiter: Arbiter
  readonly bus: SimBus
  readonly judge: Judge
  readonly nodes: Node[] = []
  readonly #incarnations: number[] = []
  #whenHealed: (() => void)[] = []
  #isHealed = false

  constructor(world: World, plan: Plan) {
    this.world = world
    this.plan = plan
    this.arbiter = new Arbiter(world, plan)
    this.bus = new SimBus(world, plan)
    this.judge = new Judge(this)
    world.afterTurn = () => this.judge.look()
  }

  get living(): readonly Node[] {
    return this.nodes.filter(({ host }) => host.isAlive)
  }

  get primaries(): readonly Node[] {
    return this.living.filter((node) => node.promotedRole === 'primary' && node.leftMs > 0)
  }

  whenHealed(then: () => void): void {
    if (this.#isHealed) then()
    else this.#whenHealed.push(then)
  }

  async play(): Promise<void> {
    const { world, plan } = this
    for (let number = 0; number < plan.nodes; number++) this.#spawn(number)
    for (const fault of plan.faults) world.at(fault.at, () => this.#befall(fault))
    if (plan.primaryAt !== undefined) {
      world.at(plan.primaryAt, () => {
        if (this.primaries.length !== 1) world.violated('F7', `${this.primaries.length} primaries, although one could be`)
      })
    }
    await world.wait(plan.horizonMs)
    this.#heal()
    await this.#afterwards()
  }

  #spawn(number: number): void {
    const incarnation = (this.#incarnations[number] ?? 0) + 1
    this.#incarnations[number] = incarnation
    const node = new Node(this, number, incarnation)
    this.nodes.push(node)
    node.host.enter(() => node.start())
  }

  #befall({ kind, node: number, forMs }: Fault): void {
    if (kind === 'slow-bus' || kind === 'bus-down') return this.#busFault(kind, forMs)
    if (kind === 'lie') {
      this.world.count(kind)
      return this.bus.lie(number % 2 === 0 ? 'leaving' : 'heartbeat')
    }
    for (const node of this.living.filter((one) => number === -1 || one.number === number)) {
      this.world.count(kind)
      this.world.note(node.name, `fault ${kind} for`, forMs)
      const undo = this.#harm(node, kind)
      // What heals does so once.
      if (undo) this.world.in(forMs, () => this.#isHealed || undo())
    }
  }

  #busFault(kind: 'slow-bus' | 'bus-down', forMs: number): void {
    this.world.count(kind)
    this.world.note('bus', kind, forMs)
    if (kind === 'slow-bus') this.bus.isSlow = true
    else this.bus.fall()
    this.world.in(forMs, () => {
      if (kind === 'slow-bus') this.bus.isSlow = false
      else this.bus.rise()
    })
  }

  /** Returns how to undo it. */
  #harm(node: Node, kind: Fault['kind']): (() => void) | undefined {
    const flag = (name: 'isCutOff' | 'losesAnswers' | 'isOffBus' | 'isMute' | 'isDeaf' | 'isStuck') => {
      node[name] = true
      return () => {
        node[name] = false
      }
    }
    switch (kind) {
      case 'cut-arbiter':
        return flag('isCutOff')
      case 'lose-answers':
        return flag('losesAnswers')
      case 'cut-bus':
        return flag('isOffBus')
      case 'mute':
        return flag('isMute')
      case 'deaf':
        return flag('isDeaf')
      case 'stuck-work':
        return flag('isStuck')
      case 'freeze':
        node.host.freeze()
        return () => node.host.thaw()
      case 'crash':
        node.host.die()
        this.bus.lost(node)
        return () => this.#spawn(node.number)
      case 'stop':
        node.host.enter(() => void node.stop())
        return () => node.host.enter(() => void (node.isStarted || node.start()))
      case 'step-down':
        node.host.enter(() => void node.failover.stepDown())
        return undefined
      case 'disable':
        node.host.enter(() => this.#enable(node, false))
        return () => node.host.enter(() => this.#enable(node, true))
      case 'fail-promotions':
        node.failingPromotions = 2
        return undefined
      case 'slow-work':
        node.slowMs = this.plan.ttlMs * 1.5
        return () => {
          node.slowMs = 0
        }
      case 'slow-bus':
      case 'bus-down':
      case 'lie':
        return undefined
      default:
        return kind satisfies never
    }
  }

  #enable(node: Node, enabled: boolean): void {
    node.failover.enabled = enabled
    node.wasDisabled ||= !enabled
  }

  #heal(): void {
    this.world.note('world', 'healed')
    this.#isHealed = true
    this.bus.isSlow = false
    this.bus.rise()
    for (const node of this.living) {
      node.isCutOff = false
      node.losesAnswers = false
      node.isOffBus = false
      node.isMute = false
      node.isDeaf = false
      node.isStuck = false
      node.slowMs = 0
      node.failingPromotions = 0
      node.host.thaw()
      // After all that it was told while it was frozen.
      const wake = () => {
        this.#enable(node, true)
        if (!node.isStarted) node.start()
      }
      this.world.in(1, () => node.host.enter(wake))
    }
    for (const then of this.#whenHealed.splice(0)) then()
    for (let number = 0; number < this.plan.nodes; number++) {
      if (!this.living.some((node) => node.number === number)) this.#spawn(number)
    }
  }

  /**
   * What docs/failover.md promises after everything has healed: a lease that nobody renews ends within a ttl, a cool-down
   * or a back-off within another; and a promotion that failed shortly before is tried again after at most 2 s.
   */
  get boundMs(): number {
    const { ttlMs } = this.plan
    return 2 * ttlMs + 2 * Math.floor(ttlMs / 6) + 2000 + 100
  }

  async #afterwards(): Promise<void> {
    const { world, plan } = this
    const healedAt = world.now
    const isFound = await world.until(() => this.primaries.length === 1, this.boundMs * (1 + 2 * plan.drift))
    if (!isFound) return world.violated('F7', `no primary ${this.boundMs} ms after everything had healed`)
    world.count(`found within ${(Math.ceil((2 * (world.now - healedAt)) / plan.ttlMs) / 2).toFixed(1)} ttl`)
    // It may have lost its lease before it healed, and not know yet; cool-downs end, and what was on its way comes.
    await world.wait(4 * plan.ttlMs)
    const [primary, ...more] = this.primaries
    if (!primary || more.length > 0) return world.violated('F7', 'no primary stays, although everything has healed')
    const follows = (node: Node) =>
      node === primary || (node.failover.lastHeartbeat?.from === primary.name && node.failover.status().suspicion === undefined)
    // The bus is joined again within 10 s, and the next heartbeat heard.
    const heard = await world.until(() => this.living.every(follows), 10_100 + 2 * plan.heartbeatMs + 100)
    if (!heard && primary.promotedRole === 'primary')
      world.violated('F7', 'not everybody hears the primary, although everything has healed')
    if (this.living.some((node) => node.failover.status().primary?.id === LIAR)) world.violated('F14', 'a liar is called primary')
    await this.#beMuted(primary)
    await this.#leave(primary)
    await this.#end()
  }

  /** A primary that nobody hears keeps its role, and is doubted by everybody. */
  async #beMuted(primary: Node): Promise<void> {
    const { world, plan } = this
    if (plan.probes) return
    primary.isMute = true
    const others = this.living.filter((node) => node !== primary)
    const doubted = () => others.every((node) => node.failover.status().suspicion !== undefined)
    const isDoubted = await world.until(doubted, plan.silenceMs * (1 + 2 * plan.drift) + plan.heartbeatMs + 200)
    if (!isDoubted) world.violated('F11', 'nobody doubts a primary that is silent')
    await world.wait(3 * plan.ttlMs)
    if (primary.promotedRole !== 'primary') world.violated('F11', 'a primary has lost its role because it was not heard')
    primary.isMute = false
  }

  /** A primary that leaves is replaced at once, also where the arbiter itself tells nobody. */
  async #leave(primary: Node): Promise<void> {
    const { world, plan } = this
    let left = false
    primary.host.enter(() => void primary.stop().then(() => (left = true)))
    const isReplaced = await world.until(() => this.primaries.some((node) => node !== primary), 8 * plan.wayMs + 300)
    if (!isReplaced) world.violated('F11', 'a primary that has announced its end is not replaced at once')
    if (!(await world.until(() => left, plan.ttlMs))) world.violated('F8', 'stop() does not resolve')
  }

  async #end(): Promise<void> {
    const { world, plan } = this
    let left = 0
    for (const node of this.living) node.host.enter(() => void node.stop().then(() => (left += 1)))
    const all = this.living.length
    if (!(await world.until(() => left === all, 2 * plan.ttlMs + 2000))) world.violated('F8', 'stop() does not resolve')
    await world.wait(plan.ttlMs)
    for (const node of this.living) this.judge.stopped(node)
  }
}
