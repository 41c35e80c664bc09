/**
 * One candidate with its user: the real `Candidate`, the clock and the store it was given, and code that behaves as the
 * plan says. It must drive the candidate only through its public door, and tell the witness everything.
 */

import { Candidate, type Tenure } from '../src/index.ts'
import type { LeaseStore } from '../src/store.ts'
import { Chance } from './chance.ts'
import { SimClock } from './clocks.ts'
import type { Cluster } from './cluster.ts'
import { listen } from './listeners.ts'
import type { Host } from './process.ts'
import { tapped } from './tap.ts'
import type { EventName, StoreCall } from './witness.ts'
import { workOf } from './work.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

export class Member {
  readonly cluster: Cluster
  readonly slot: number
  readonly host: Host
  readonly election: string
  readonly name: string
  readonly clock: SimClock
  readonly candidate: Candidate
  /** Aborting it is another way to stop. */
  readonly controller = new AbortController()
  readonly chance: Chance
  /** From `elected` to `deposed`. */
  tenure: Tenure | undefined
  /** The latest tenure; what is left of its lease outlives `deposed`. */
  latest: Tenure | undefined
  /** The work that has not settled. */
  working: Tenure | undefined
  /** Called `start()` and not `stop()` since. */
  standing = false
  starts = 0
  /** Calls of `start()` that have not resolved. */
  answerless = 0
  /** The first wish to end the present tenure. */
  leaves: 'stopped' | 'stepped-down' | 'completed' | undefined
  /** It may have asked for a cool-down that ends then, by true time. */
  coolUntil = 0
  #coolMs = 0
  /** The shortest cool-down that was asked for in the present tenure. */
  leastCoolMs = Number.POSITIVE_INFINITY
  /** How many calls of the store it has made, and which have not settled, oldest first. */
  calls = 0
  readonly inFlight = new Set<StoreCall>()
  /** For scripts: called when the next call of this kind has left. */
  next: { [Verb in StoreCall['verb']]?: () => void } = {}
  onTrouble: (() => void) | undefined
  /** The event whose listener is running. */
  dispatching: EventName | undefined
  /** What the directed episodes want of its work. */
  orders: { readonly lingerMs: number } | undefined

  constructor(cluster: Cluster, slot: number, host: Host, store: LeaseStore) {
    const { plan } = cluster
    this.cluster = cluster
    this.slot = slot
    this.host = host
    const number = slot % plan.elections
    this.election = `e${number}`
    this.name = `${host.name}/${this.election}`
    this.chance = new Chance(plan.seed, `member:${this.name}`)
    this.clock = new SimClock(host, plan.seed, this.name, plan.grid)
    const idle = plan.faults.some((fault) => fault.kind === 'no-work' && (fault.slot === -1 || fault.slot === slot))
    this.candidate = new Candidate({
      election: this.election,
      store: tapped(this, store),
      id: plan.equalIds ? 'same' : `c${host.number}`,
      clock: this.clock,
      logger: plan.logged ? quiet : undefined,
      signal: this.controller.signal,
      work: idle ? undefined : (tenure) => workOf(this, tenure),
      ...plan.timing,
    })
    listen(this)
  }

  get eligible(): boolean {
    return this.host.alive && this.standing
  }

  /** What is left of the lease of its tenure, asked without side effects. */
  readonly leftMs = (tenure: Tenure): number => this.clock.probe(() => tenure.remainingMs())

  /** Call from within the process. */
  start(): void {
    const { cluster, candidate } = this
    this.standing = true
    this.starts += 1
    cluster.witness.tell('starting', this)
    cluster.world.note(this.name, 'start()')
    const { starts } = this
    this.answerless += 1
    const answered = candidate.start().finally(() => {
      this.answerless -= 1
    })
    answered.catch((error: { code?: string }) => {
      cluster.world.count('startRefused')
      cluster.world.note(this.name, 'start() refused', error.code ?? String(error))
      if (starts !== this.starts) return
      this.standing = false
      if (!cluster.mayRefuse) cluster.world.violated('I15', `${this.name}: start() rejected with ${String(error)}`)
      this.host.setTimer(cluster.timing.ttlMs / 2, () => {
        if (!this.standing && starts === this.starts && !cluster.stopping) this.start()
      })
    })
  }

  /** Call from within the process. */
  stop(): Promise<void> {
    const { cluster } = this
    if (this.tenure) this.leaves ??= 'stopped'
    this.left()
    cluster.world.note(this.name, 'stop()')
    return this.candidate.stop().then(() => {
      cluster.world.note(this.name, 'stop() resolved')
      cluster.witness.tell('stopped', this)
    })
  }

  /** As `lead()` ends. */
  complete(): void {
    this.cluster.world.note(this.name, 'complete()')
    this.leaves ??= 'completed'
    const stopped = Candidate.shellOf(this.candidate).complete()
    // It stops after it has left: what a listener started meanwhile is stopped, too.
    this.left()
    void stopped.then(() => this.cluster.witness.tell('stopped', this))
  }

  /** Stop by the signal it was given, once and for all. */
  abort(): void {
    if (this.tenure) this.leaves ??= 'stopped'
    this.left()
    this.controller.abort()
  }

  /** It stands no longer. */
  left(): void {
    this.standing = false
    this.starts += 1
    this.cluster.witness.tell('stopping', this)
  }

  /** Through the tenure, as work does, or through the candidate. */
  stepDown(cooldownMs: number, tenure?: Tenure): Promise<void> {
    this.cluster.world.note(this.name, 'stepDown()')
    if (this.tenure && (!tenure || tenure === this.tenure)) {
      this.leaves ??= 'stepped-down'
      this.leastCoolMs = Math.min(this.leastCoolMs, cooldownMs)
      this.cools(cooldownMs)
    }
    return (tenure ?? this.candidate).stepDown({ cooldownMs })
  }

  /** Wait for so long by the clock of the process; shorter once the world is calm. */
  rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.host.setTimer(ms, resolve)
      this.cluster.whenCalm(() => this.host.deliver(resolve))
    })
  }

  /** Stand again after so long, unless somebody has started or stopped it since. */
  startLater(ms: number): void {
    const { starts } = this
    this.host.setTimer(ms, () => {
      if (starts === this.starts && !this.standing && !this.cluster.stopping && !this.cluster.calm) this.start()
    })
  }

  /** The cool-down counts from the end of the drain: `workOf` calls this again. */
  cools(ms = this.#coolMs): void {
    this.#coolMs = ms
    if (ms > 0) this.coolUntil = Math.max(this.coolUntil, this.host.now + ms * 1.2 + 2 * this.cluster.timing.callMs)
  }

  /** A new tenure: what was wished for the last is forgotten. */
  begins(tenure: Tenure): void {
    this.tenure = tenure
    this.latest = tenure
    this.leaves = undefined
    this.leastCoolMs = Number.POSITIVE_INFINITY
    this.#coolMs = 0
  }

  /** A call has left: what a script waits for. */
  sent(verb: StoreCall['verb']): void {
    const then = this.next[verb]
    delete this.next[verb]
    then?.()
  }
}
