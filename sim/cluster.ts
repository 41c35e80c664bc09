/**
 * The processes, the network, the store and those who watch: everything a plan describes, wired up. It may assume that
 * only scripts (`injector.ts`, `episodes/`) command it.
 */

import { Fence, type Tenure } from '../src/index.ts'
import { Bystander } from './bystander.ts'
import { Chance } from './chance.ts'
import { Member } from './member.ts'
import { Network } from './network.ts'
import type { Plan } from './plan.ts'
import { Host } from './process.ts'
import { type Client, makeClient } from './stores/client.ts'
import { Server } from './stores/server.ts'
import { Watchers } from './stores/watchers.ts'
import { type Checker, Witness } from './witness.ts'
import type { World } from './world.ts'

/** The durations as the library completes them. */
export interface Durations {
  readonly ttlMs: number
  readonly renewMs: number
  readonly callMs: number
  readonly marginMs: number
  readonly drift: number
  readonly retryMs: number
  readonly drainMs: number
}

export class Cluster {
  readonly world: World
  readonly plan: Plan
  readonly timing: Durations
  readonly network: Network
  readonly server: Server
  readonly witness: Witness
  /** By number; a process that was started again has taken the place of the one that died. */
  readonly hosts: Host[] = []
  readonly members: Member[] = []
  readonly clients = new Map<Host, Client>()
  /** Observes the first election. */
  readonly bystander: Bystander
  /** Everything has healed, and users behave. */
  calm = false
  /** The end: nobody starts again. */
  stopping = false
  /** The store may refuse to serve. */
  mayRefuse = false
  readonly #chance: Chance
  readonly #fences = new Map<string, Fence>()
  readonly #incarnations: number[] = []
  #calmers: (() => void)[] = []
  #turns = 0
  #asking = false

  constructor(world: World, plan: Plan, checkers: (cluster: Cluster) => readonly Checker[]) {
    this.world = world
    this.plan = plan
    this.timing = durationsOf(plan)
    this.#chance = new Chance(plan.seed, 'cluster')
    this.network = new Network(world, plan)
    this.server = new Server(world, plan, new Watchers(world, plan, this.network))
    this.witness = new Witness(checkers(this))
    this.server.committed = (commit) => this.witness.tell('committed', commit)
    world.afterTurn = () => this.#turned()
    const host = new Host(world, plan, plan.hosts, 0)
    this.bystander = new Bystander(this, host, this.#connect(host), (token) => this.witness.tell('observed', token))
  }

  get elections(): readonly string[] {
    return Array.from({ length: this.plan.elections }, (_, number) => `e${number}`)
  }

  /** Start a process, or start it again. */
  spawn(number: number): Host {
    const incarnation = (this.#incarnations[number] ?? 0) + 1
    this.#incarnations[number] = incarnation
    const host = new Host(this.world, this.plan, number, incarnation)
    this.hosts[number] = host
    this.server.fastestObserver = Math.max(this.server.fastestObserver, host.time.rates.mono)
    const client = this.#connect(host)
    for (let election = 0; election < this.plan.elections; election++) {
      const slot = number * this.plan.elections + election
      const member = new Member(this, slot, host, client.store)
      this.members[slot] = member
      host.deliver(() => member.start())
    }
    return host
  }

  /** Give a process its way to the store. */
  #connect(host: Host): Client {
    const client = makeClient({ world: this.world, plan: this.plan, network: this.network, server: this.server, host })
    this.clients.set(host, client)
    return client
  }

  /** The candidate that leads an election, by its own events and clocks, and as the store has it. */
  leaderOf(election: string): Member | undefined {
    const row = this.server.row(election)
    return this.members.find(({ election: own, host, tenure, leftMs }) => {
      return own === election && host.alive && tenure?.fencingToken === row?.fencingToken && tenure && leftMs(tenure) > 0
    })
  }

  /** Call `then` when everything has healed. */
  whenCalm(then: () => void): void {
    if (this.calm) this.world.at(this.world.now, then)
    else this.#calmers.push(then)
  }

  becalm(): void {
    this.calm = true
    for (const then of this.#calmers.splice(0)) then()
  }

  /** The work of a tenure does something to the outside world, under its token. */
  write(member: Member, tenure: Tenure): void {
    const left = member.leftMs(tenure)
    if (left <= 0 || member.tenure !== tenure) return
    const { host, election } = member
    const { fencingToken } = tenure
    const safeUntil = host.now + (left + this.timing.marginMs) / Math.max(host.time.rates.mono, host.time.rates.wall)
    this.network.carry(host, 'up', 'write', undefined, () => {
      const fence = this.#fences.get(election) ?? new Fence()
      this.#fences.set(election, fence)
      const admitted = fence.admits(fencingToken)
      this.world.note(host.name, admitted ? 'write lands' : 'write refused', fencingToken)
      this.world.count(admitted ? 'writeAdmitted' : 'writeRefused')
      this.witness.tell('landed', { member, tenure, fencingToken, safeUntil, admitted })
    })
  }

  #turned(): void {
    this.witness.turned()
    if (this.#asking) {
      this.#asking = false
      return
    }
    this.#turns += 1
    if (this.plan.askEvery === 0 || this.#turns % this.plan.askEvery !== 0) return
    // Some user asks, soon; his own turn sets off no other.
    const member = this.members[this.#chance.below(this.members.length)]
    const delay = this.#chance.next() * (this.timing.ttlMs / 50)
    if (member) this.world.in(this.plan.grid ? Math.floor(delay / 8) : delay, () => member.host.deliver(() => this.#ask(member)))
  }

  #ask(member: Member): void {
    this.#asking = true
    const before = member.latest && member.leftMs(member.latest)
    if (member.candidate.isLeader) this.witness.tell('claimed', member, before ?? 0)
    else if (member.candidate.tenure) this.world.violated('I15', `${member.name}: a tenure, and not leading`)
  }
}

function durationsOf({ timing }: Plan): Durations {
  const { ttlMs, drift } = timing
  const renewMs = timing.renewMs ?? Math.floor(ttlMs / 3)
  return {
    ttlMs,
    drift,
    renewMs,
    callMs: timing.callMs ?? Math.min(renewMs, Math.floor(ttlMs / 6)),
    marginMs: timing.marginMs ?? Math.floor(ttlMs / 5),
    retryMs: timing.retryMs ?? Math.floor(ttlMs / 3),
    drainMs: timing.drainMs ?? ttlMs * 5,
  }
}
