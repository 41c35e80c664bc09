/**
 * Turns signs of life into metrics, for any kind of exporter. It only listens: it may assume that signs are true, and
 * must never throw into those who give them. What leads is asked at the moment of a scrape, never remembered.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { systemClock } from '../clock.ts'
import { messageOf, type TenureError } from '../errors.ts'
import { warn } from '../options.ts'
import type { CallSign, ChangeSign, Sign, TroubleSign } from '../signs.ts'
import type { Tenure } from '../tenure.ts'
import type { CounterName, GaugeName, HistogramName, Labels } from './catalog.ts'
import { LoopDelay } from './loop-delay.ts'

/** Where an exporter keeps what is counted and measured. */
export interface Sink {
  add(counter: CounterName, labels: Labels, by: number): void
  observe(histogram: HistogramName, labels: Labels, seconds: number): void
}

type Subscription = readonly [name: string, listener: (message: unknown) => void]

export type Tell = (labels: Labels, value: number) => void

/** One candidate that stands. */
interface Stand {
  readonly election: string
  /** Its newest; whether it still holds is asked of itself. */
  tenure: Tenure | undefined
}

const calls = ['acquire', 'renew', 'read', 'release'] as const
type Op = (typeof calls)[number]

export class Collector {
  readonly #sink: Sink
  readonly #loopDelay = new LoopDelay()
  readonly #stands = new Map<object, Stand>()
  /** The largest fencing token by election, of all elections that anybody here has stood in. */
  readonly #tokens = new Map<string, number>()
  /** When a call began. */
  #begun = new WeakMap<object, number>()
  readonly #subscriptions: readonly Subscription[]
  #hasWarned = false

  constructor(sink: Sink) {
    this.#sink = sink
    this.#subscriptions = [
      this.#listener('tenure:changed', (sign: ChangeSign) => this.#changed(sign)),
      this.#listener('tenure:trouble', (sign: TroubleSign) => this.#trouble(sign)),
      ...calls.flatMap((op) => [
        this.#listener(`tracing:tenure:${op}:start`, (sign: CallSign) => this.#began(op, sign)),
        this.#listener(`tracing:tenure:${op}:asyncEnd`, (sign: CallSign) => this.#ended(op, sign)),
      ]),
    ]
    for (const [name, listener] of this.#subscriptions) subscribe(name, listener)
  }

  /** Tell every value that a gauge has now. */
  read(gauge: GaugeName, tell: Tell): void {
    switch (gauge) {
      case 'leader_election_is_leader':
        return this.#perElection('election', leads, sum, tell)
      case 'leader_election_master_status':
        return this.#perElection('name', leads, sum, tell)
      case 'leader_election_lease_remaining_seconds':
        return this.#perElection('election', secondsLeft, Math.max, tell)
      case 'leader_election_fencing_token':
        for (const [election, token] of this.#tokens) tell({ election }, token)
        return
      case 'leader_election_event_loop_delay_seconds':
        return tell({}, this.#loopDelay.worst())
      default:
        return gauge satisfies never
    }
  }

  dispose(): void {
    for (const [name, listener] of this.#subscriptions) unsubscribe(name, listener)
    this.#loopDelay.dispose()
    this.#stands.clear()
    this.#tokens.clear()
    this.#begun = new WeakMap()
  }

  /** What a subscriber throws would end the process: an exporter is not worth that. */
  #listener<S extends Sign>(name: string, hear: (sign: S) => void): Subscription {
    return [
      name,
      (message) => {
        try {
          hear(message as S)
        } catch (thrown) {
          if (!this.#hasWarned) warn(undefined, `Metrics failed: ${messageOf(thrown)}`, 'listener-failed')
          this.#hasWarned = true
        }
      },
    ]
  }

  #perElection(label: string, of: (tenure: Tenure) => number, merge: (a: number, b: number) => number, tell: Tell): void {
    const values = new Map<string, number>()
    // Also of elections that nobody stands in any more: 0 is told, so that no exporter goes on telling the last value.
    for (const election of this.#tokens.keys()) values.set(election, 0)
    for (const { election, tenure } of this.#stands.values()) {
      if (tenure) values.set(election, merge(values.get(election) ?? 0, of(tenure)))
    }
    for (const [election, value] of values) tell({ [label]: election }, value)
  }

  #changed(sign: ChangeSign): void {
    const { by, election, to, reason, tenure, vacantMs, lapsed } = sign
    const stand = this.#stands.get(by) ?? this.#join(sign)
    if (reason !== 'started') this.#sink.add('leader_election_transitions_total', { election, to, reason }, 1)
    if (to === 'stopped') this.#stands.delete(by)
    if (to !== 'leading' || !tenure) return
    stand.tenure = tenure
    this.#tokens.set(election, Math.max(this.#tokens.get(election) ?? 0, tenure.fencingToken))
    if (vacantMs === undefined) return
    this.#sink.observe('leader_election_failover_duration_seconds', { kind: lapsed ? 'lapsed' : 'released' }, vacantMs / 1000)
  }

  /** Somebody stands, since now or since before anybody listened. */
  #join({ by, election }: Sign, tenure?: Tenure): Stand {
    const stand: Stand = { election, tenure }
    this.#stands.set(by, stand)
    this.#tokens.set(election, Math.max(this.#tokens.get(election) ?? 0, tenure?.fencingToken ?? 0))
    // What has not happened is told as 0: an increase can only be seen where there was something before it.
    this.#sink.add('leader_election_transitions_total', { election, to: 'following', reason: 'started' }, 1)
    this.#sink.add('leader_election_transitions_total', { election, to: 'leading', reason: 'elected' }, 0)
    this.#sink.add('leader_election_transitions_total', { election, to: 'stopped', reason: 'stopped' }, 0)
    this.#sink.add('leader_election_work_overruns_total', { election }, 0)
    return stand
  }

  #trouble({ election, error }: TroubleSign): void {
    if (error.code === 'work-overran') this.#sink.add('leader_election_work_overruns_total', { election }, 1)
  }

  #began(op: Op, sign: CallSign): void {
    // A release may come after the end of a stand; whoever does anything else stands.
    if (op !== 'release' && !this.#stands.has(sign.by)) this.#join(sign, sign.tenure)
    this.#begun.set(sign, systemClock.mono())
  }

  #ended(op: Op, sign: CallSign): void {
    const begun = this.#begun.get(sign)
    if (begun === undefined) return
    const seconds = (systemClock.mono() - begun) / 1000
    const { election, store, tenure } = sign
    const result = sign.outcome ?? (sign.error as TenureError).code
    this.#sink.observe('leader_election_store_operation_duration_seconds', { store, op, result }, seconds)
    if (op !== 'renew') return
    this.#sink.add('leader_election_renewals_total', { election, result }, 1)
    this.#sink.observe('leader_election_renewal_duration_seconds', { election }, seconds)
    if (result !== 'renewed' || !tenure) return
    this.#sink.observe('leader_election_renewal_margin_seconds', { election }, tenure.remainingMs() / 1000)
  }
}

function leads(tenure: Tenure): number {
  return tenure.held ? 1 : 0
}

function secondsLeft(tenure: Tenure): number {
  return tenure.remainingMs() / 1000
}

function sum(a: number, b: number): number {
  return a + b
}
