/** The events of a failover, and what they carry. */

import type { TenureError } from '../errors.ts'
import type { TenureEnd } from '../states.ts'

/** Primary: the arbiter is held, and `onPromote` has resolved. Everything else is secondary. */
export type Role = 'primary' | 'secondary'

/** Why an instance is no longer primary. `expired` and `superseded` came from outside, the others are choices. */
export type DemoteReason = Extract<TenureEnd, 'stepped-down' | 'stopped' | 'expired' | 'superseded'> | 'promotion-failed'

/** Why the role is another than before, and by which tenure. */
export interface RoleChange {
  readonly reason: 'promoted' | DemoteReason
  readonly fencingToken: number
}

/** A sign of life of the primary, as a secondary heard it. */
export interface Heartbeat {
  /** The id of the primary. */
  readonly from: string
  readonly fencingToken: number
  /** When it was heard, in milliseconds since 1970. For people. */
  readonly at: number
  /** How long ago that was, in milliseconds, when it was asked for. */
  readonly ageMs: number
}

/** Why a secondary asks the arbiter at once, instead of when it would have. */
export interface Suspicion {
  /** No heartbeat for `silenceMs`; it said that it leaves; its channel was closed; it did not answer the probe. */
  readonly reason: 'silent' | 'announced' | 'closed' | 'probe-failed'
  /** The id of the primary, where one was known. */
  readonly primary: string | undefined
  /** How long nothing had been heard of it, in milliseconds. */
  readonly silentMs: number
}

/** Every event of a failover with what its listeners get. */
export interface FailoverEvents {
  /** This instance has another role than before. Told at once, in a microtask, to a listener that is added while it is primary. */
  role: [role: Role, change: RoleChange]
  /** A secondary has heard the primary. */
  heartbeat: [heartbeat: Heartbeat]
  /** A secondary doubts its primary, and asks the arbiter. Told once, until the primary is heard again. */
  suspect: [suspicion: Suspicion]
  /** Something went wrong and is being dealt with. Without listener and logger: one process warning per code. */
  trouble: [error: TenureError]
}

export const failoverEventNames: Readonly<Record<keyof FailoverEvents, true>> = {
  role: true,
  heartbeat: true,
  suspect: true,
  trouble: true,
}
