/**
 * The processes, the network, the store and those who watch: everything a plan describes, wired up. It may assume that
 * only scripts (`injector.ts`, `episodes/`) command it.
 */

import { Asker } from './asker.ts'
import { Bystander } from './bystander.ts'
import { Member } from './member.ts'
import { Network } from './network.ts'
import type { Plan } from './plan.ts'
import { Host } from './process.ts'
import { Resource } from './resource.ts'
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
  readonly elections: readonly string[]
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
  /** What the work writes to. */
  readonly resource: Resource
  /** Who asks. */
  readonly asker: Asker
  readonly #incarnations: number[] = []
  readonly #membersOn = new Map<object, readonly Member[]>()
  #calmers: (() => void)[] = []

  constructor(world: World, plan: Plan, checkers: (cluster: Cluster) => readonly Checker[]) {
    this.world = world
    this.plan = plan
    this.timing = durationsOf(plan)
    this.elections = Array.from({ length: plan.elections }, (_, number) => `e${number}`)
    this.network = new Network(world, plan)
    this.server = new Server(world, plan, new Watchers(world, plan, this.network))
    this.witness = new Witness(checkers(this))
    this.server.committed = (commit) => this.witness.tell('committed', commit)
    this.resource = new Resource(this)
    this.asker = new Asker(this)
    world.afterTurn = () => this.#turned()
    const host = new Host(world, plan, plan.hosts, 0)
    this.bystander = new Bystander(this, host, this.#connect(host), (token) => this.witness.tell('observed', token))
  }

  /** Start a process, or start it again. */
  spawn(number: number): Host {
    const incarnation = (this.#incarnations[number] ?? 0) + 1
    this.#incarnations[number] = incarnation
    const host = new Host(this.world, this.plan, number, incarnation)
    this.hosts[number] = host
    this.server.fastestObserver = Math.max(this.server.fastestObserver, host.time.rates.mono)
    const client = this.#connect(host)
    const members = this.elections.map((_, election) => new Member(this, number * this.plan.elections + election, host, client.store))
    this.#membersOn.set(host, members)
    host.woke = () => this.witness.tell('woke', host)
    for (const member of members) {
      this.members[member.slot] = member
      host.deliver(() => member.start())
    }
    return host
  }

  /** The candidates of one process; of all, where it was no process whose turn it was. */
  membersOn(host: object | undefined): readonly Member[] {
    return host ? (this.#membersOn.get(host) ?? []) : this.members
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

  #turned(): void {
    this.witness.turned()
    this.asker.turned()
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
