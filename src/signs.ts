/**
 * Signs of life, for whoever subscribes to them: channels of `node:diagnostics_channel`, where the runtime has it.
 * `tenure:changed` and `tenure:trouble` are plain channels, `tenure:acquire`, `renew`, `read`, `release` and `work`
 * tracing channels. A subscriber only listens; with none, a call to the store costs one question more.
 */

import type { TenureError } from './errors.ts'
import type { TenureEnd } from './states.ts'
import type { Tenure } from './tenure.ts'

/** Who gives a sign. */
export interface Sign {
  /** The same object for all signs of one candidate; two may have one id. */
  readonly by: object
  readonly election: string
  /** The candidate's id. */
  readonly candidate: string
  /** The store's name. */
  readonly store: string
}

/** On `tenure:changed`. */
export interface ChangeSign extends Sign {
  readonly to: 'following' | 'leading' | 'stopped'
  readonly reason: 'started' | 'elected' | TenureEnd
  /** The tenure that has begun or ended. */
  readonly tenure?: Tenure | undefined
  /**
   * On `elected`, where another leader was known: for how long nobody may have led, in milliseconds. Since its last
   * renewal where its lease has lapsed; else since the watch told of its end, or without a watch, since it was last seen.
   */
  readonly vacantMs?: number | undefined
  /** On `elected`, where another leader was known: whether its lease has lapsed, or was free before its time. */
  readonly lapsed?: boolean | undefined
}

/** On `tenure:trouble`. */
export interface TroubleSign extends Sign {
  readonly error: TenureError
}

/** What is traced: each is a tracing channel `tenure:<name>`. */
export type Traced = 'acquire' | 'renew' | 'read' | 'release' | 'work'

/** On the tracing channels; one object from `start` to `asyncEnd`. */
export interface CallSign extends Sign {
  /** The tenure that is renewed, or whose work runs. At `asyncEnd` of a renewal its `remainingMs()` is what was left. */
  readonly tenure?: Tenure | undefined
  /** How it ended, once it has: `won`, `refused`, `renewed`, `released`, or `done` for work and a read. */
  outcome?: string
  /** Why it has no outcome. */
  error?: unknown
}

const diagnostics = globalThis.process?.getBuiltinModule?.('node:diagnostics_channel')
type Channel = ReturnType<NonNullable<typeof diagnostics>['tracingChannel']>
const changes = diagnostics?.channel('tenure:changed')
const troubles = diagnostics?.channel('tenure:trouble')
const traced = new Map<Traced, Channel | undefined>(
  (['acquire', 'renew', 'read', 'release', 'work'] as const).map((what) => [what, diagnostics?.tracingChannel(`tenure:${what}`)]),
)

/** Tell of a change, if anybody listens. */
export function signChange(sign: () => ChangeSign): void {
  if (changes?.hasSubscribers) changes.publish(sign())
}

/** Tell of trouble, if anybody listens. */
export function signTrouble(sign: () => TroubleSign): void {
  if (troubles?.hasSubscribers) troubles.publish(sign())
}

/** One call, or the work of one tenure, from its begin to its end. It ends once, whatever comes later. */
export class Trace {
  readonly #channel: Channel
  readonly #sign: CallSign

  private constructor(channel: Channel, sign: CallSign) {
    this.#channel = channel
    this.#sign = sign
    channel.start.publish(sign)
    channel.end.publish(sign)
  }

  /** `undefined` where nobody listens. */
  static begin(what: Traced, sign: () => CallSign): Trace | undefined {
    const channel = traced.get(what)
    return channel?.hasSubscribers ? new Trace(channel, sign()) : undefined
  }

  done(outcome: string): void {
    if (this.#isOver) return
    this.#sign.outcome = outcome
    this.#end()
  }

  failed(error: unknown): void {
    if (this.#isOver) return
    this.#sign.error = error
    this.#channel.error.publish(this.#sign)
    this.#end()
  }

  get #isOver(): boolean {
    return this.#sign.outcome !== undefined || this.#sign.error !== undefined
  }

  #end(): void {
    this.#channel.asyncStart.publish(this.#sign)
    this.#channel.asyncEnd.publish(this.#sign)
  }
}
