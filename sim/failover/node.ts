/**
 * One instance with its user: the real `Failover` on a simulated process. It tells the judge everything that it is told,
 * and everything that it says.
 */

import { type DemoteReason, Failover } from '../../src/failover.ts'
import type { Tenure } from '../../src/index.ts'
import { Chance } from '../chance.ts'
import { LIAR } from './bus.ts'
import { Host } from './host.ts'
import type { Pack } from './pack.ts'

/** The user's side of one tenure. */
export interface Work {
  readonly tenure: Tenure
  phase: 'promoting' | 'serving' | 'failed' | 'demoting' | 'over'
}

export class Node {
  readonly pack: Pack
  readonly name: string
  readonly number: number
  readonly host: Host
  readonly failover: Failover
  isCutOff = false
  losesAnswers = false
  isMute = false
  isDeaf = false
  isOffBus = false
  failingPromotions = 0
  slowMs = 0
  isStuck = false
  isStarted = false
  /** `stop()` has resolved, and `start()` was not called since. */
  hasStopped = true
  work: Work | undefined
  promotedRole: 'primary' | 'secondary' = 'secondary'
  /** What the last heartbeat that was told bore. */
  heardToken = 0
  /** When that was, in true time. */
  heardAt = Number.NEGATIVE_INFINITY
  /** Failover has been off since then. */
  wasDisabled = false
  leftTokens = new Set<number>()
  readonly #chance: Chance
  readonly #releasing = new Set<string>()
  readonly #holders = new Map<number, string>()
  readonly #releasedHolders = new Set<string>()

  constructor(pack: Pack, number: number, incarnation: number) {
    const { plan, world } = pack
    this.pack = pack
    this.number = number
    this.name = `n${number}.${incarnation}`
    this.host = new Host(world, this.name, plan.drift)
    this.#chance = new Chance(world.seed, `node:${this.name}`)
    const arbiter = pack.arbiter.storeOf(this)
    const { acquire } = arbiter
    this.failover = new Failover({
      election: 'orders',
      id: this.name,
      arbiter: {
        ...arbiter,
        acquire: async (bid, signal) => {
          const lease = await acquire(bid, signal)
          if (lease?.holder === bid.holder) this.#holders.set(lease.fencingToken, bid.holder)
          return lease
        },
      },
      bus: pack.bus.endOf(this),
      ttlMs: plan.ttlMs,
      heartbeatMs: plan.heartbeatMs,
      silenceMs: plan.silenceMs,
      probeMs: Math.max(1, Math.floor(plan.heartbeatMs / 2)),
      ...(plan.probes && { probe: () => this.#probe() }),
      clock: this.host,
      onPromote: (tenure) => this.#promote(tenure),
      onDemote: (reason) => this.#demote(reason),
    })
    this.#listen()
  }

  start(): void {
    this.isStarted = true
    this.hasStopped = false
    this.pack.world.note(this.name, 'start()')
    this.failover.start().catch((thrown: unknown) => this.pack.judge.broken('F0', `${this.name}: start() rejected: ${thrown}`))
  }

  stop(): Promise<void> {
    this.isStarted = false
    this.pack.world.note(this.name, 'stop()')
    return this.failover.stop().then(() => {
      if (!this.isStarted) this.hasStopped = true
      this.pack.judge.stopped(this)
    })
  }

  /** Whether it may act as primary, as far as the lease goes, asked without side effects. */
  get leftMs(): number {
    const { work } = this
    if (!work || work.phase === 'over') return 0
    return this.host.watch(() => work.tenure.remainingMs())
  }

  says(text: string): void {
    const { kind, fencingToken } = JSON.parse(text) as { kind: string; fencingToken: number }
    this.pack.world.note(this.name, `says ${kind}`, fencingToken)
    const holder = this.#holders.get(fencingToken)
    const isGivenBack = holder !== undefined && this.#releasedHolders.has(holder)
    this.pack.judge.says(this, kind, fencingToken, isGivenBack)
  }

  releases(holder: string): void {
    this.#releasing.add(holder)
    const { work } = this
    if (work && work.phase !== 'over' && this.#holders.get(work.tenure.fencingToken) === holder) {
      this.pack.judge.broken('F4', `${this.name} gives the arbiter back while its work is ${work.phase}`)
    }
  }

  released(holder: string): void {
    this.#releasedHolders.add(holder)
  }

  async #promote(tenure: Tenure): Promise<void> {
    this.pack.world.note(this.name, 'onPromote', tenure.fencingToken)
    this.pack.judge.promotes(this, tenure)
    const work: Work = { tenure, phase: 'promoting' }
    this.work = work
    await this.#pause()
    if (this.failingPromotions > 0) {
      this.failingPromotions -= 1
      work.phase = 'failed'
      throw new Error('a promotion that fails')
    }
    work.phase = 'serving'
  }

  async #demote(reason: DemoteReason): Promise<void> {
    const { work } = this
    this.pack.world.note(this.name, 'onDemote', reason)
    this.pack.judge.demotes(this, work, reason)
    if (!work) return
    work.phase = 'demoting'
    await this.#pause()
    if (this.isStuck) await new Promise<void>((resolve) => this.pack.whenHealed(() => this.host.enter(resolve)))
    work.phase = 'over'
  }

  #pause(): Promise<void> {
    if (this.slowMs === 0 && this.#chance.hit(0.5)) return Promise.resolve()
    const ms = this.slowMs > 0 ? this.slowMs : this.#chance.between(0, 20)
    return new Promise((resolve) => this.pack.world.in(ms, () => this.host.enter(resolve)))
  }

  /** Over a way of its own: it tells the truth, late. */
  #probe(): Promise<boolean> {
    return new Promise((resolve) => {
      this.pack.world.in(this.#chance.between(0.1, 2 * this.pack.plan.wayMs), () => {
        const isWell = this.pack.living.some((other) => other !== this && other.promotedRole === 'primary' && !other.host.isFrozen)
        this.host.enter(() => resolve(isWell))
      })
    })
  }

  #listen(): void {
    const { judge, world } = this.pack
    this.failover.on('role', (role, { reason }) => {
      world.note(this.name, `role ${role}`, reason)
      judge.role(this, role)
      this.promotedRole = role
    })
    this.failover.on('heartbeat', ({ from, fencingToken }) => {
      world.note(this.name, `hears ${from}`, fencingToken)
      judge.hears(this, fencingToken)
      if (from !== LIAR) this.heardToken = fencingToken
      this.heardAt = world.now
      this.wasDisabled = !this.failover.enabled
    })
    this.failover.on('suspect', ({ reason, primary }) => {
      world.note(this.name, `suspects ${primary}`, reason)
      world.count(`suspect:${reason}`)
      judge.suspects(this)
    })
    this.failover.on('trouble', ({ code }) => {
      world.count(`trouble:${code}`)
      judge.event(this, 'trouble')
    })
  }
}
