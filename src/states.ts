/**
 * The words of the machine in `election.ts`: what a candidate can be in, what it can be told and what it asks for; and what
 * a state says of the present.
 */

import { type Grant, type Instant, remainingMs, type Timing } from './timing.ts'

/** Why a tenure ended. The last two came from outside, the others are choices. */
export type TenureEnd = 'stepped-down' | 'stopped' | 'completed' | 'work-failed' | 'expired' | 'superseded'

/** One request to the store, from the moment it leaves. */
export interface Call {
  /** Never used twice in the life of a candidate, so that a late answer matches nothing but its own question. */
  readonly number: number
  readonly verb: 'acquire' | 'renew' | 'release' | 'read'
  /** Names the holder: every attempt to lead brings a fresh one. */
  readonly attempt: number
  readonly sent: Instant
  readonly limitMs: number
}

/** An attempt that has been sent and not been settled. */
export interface Pending {
  readonly attempt: number
  readonly first: Instant
  /** Some request of it has an unknown fate: it may have landed, or may yet. */
  readonly doubtful: boolean
}

export interface Counters {
  readonly attempts: number
  readonly calls: number
  /** A watch is in place, so that nobody has to poll. */
  readonly watched: boolean
}

export interface Idle extends Counters {
  readonly role: 'idle'
}

export interface Following extends Counters {
  readonly role: 'following'
  readonly bid: Pending | undefined
  readonly call: Call | undefined
  readonly lookAt: number
  /** End of the cool-down: until then it looks, and does not bid. */
  readonly notBefore: number
  /** Errors, or free leases that were not won, in a row. */
  readonly failures: number
  /** A nudge came while a call was in the air: what it answers may be old. */
  readonly again: boolean
}

export interface Reign extends Counters {
  readonly attempt: number
  readonly call: Call | undefined
  readonly renewAt: number
  readonly failures: number
  readonly again: boolean
  /** The work of this tenure has not settled. */
  readonly working: boolean
}

export interface Leading extends Reign {
  readonly role: 'leading'
  readonly fencingToken: number
  readonly grant: Grant
}

export interface Draining extends Reign {
  readonly role: 'draining'
  /** Present for as long as the lease is kept for the work to end in. */
  readonly grant: Grant | undefined
  /** The holder has to be given back before anything else begins. */
  readonly owed: boolean
  /** When work that still runs is called overrun (monotonic). */
  readonly overrunAt: number
  readonly overran: boolean
  readonly next: 'following' | 'idle'
  readonly cooldownMs: number
}

export type State = Idle | Following | Leading | Draining

export type Input =
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  | { readonly type: 'leave'; readonly why: TenureEnd; readonly cooldownMs: number }
  /** The work of this attempt has settled. */
  | { readonly type: 'settled'; readonly attempt: number }
  /** Something may have changed in the store. */
  | { readonly type: 'nudge' }
  | { readonly type: 'watch'; readonly armed: boolean }
  /** The timer fired, and whatever had arrived before has been told. */
  | { readonly type: 'wake' }
  /** The lease is ours, with so much left at some instant after the call was sent. */
  | { readonly type: 'won'; readonly call: Call; readonly fencingToken: number; readonly grantedMs: number }
  /** The lease is not ours: somebody else's (`rivalToken`), or nobody's (`freeInMs` 0). */
  | { readonly type: 'refused'; readonly call: Call; readonly rivalToken: number | undefined; readonly freeInMs: number }
  /** 0: ours no longer. */
  | { readonly type: 'renewed'; readonly call: Call; readonly grantedMs: number }
  | { readonly type: 'released'; readonly call: Call }
  /** Nobody knows what became of it. */
  | { readonly type: 'failed'; readonly call: Call }

export type Effect =
  | { readonly type: 'send'; readonly call: Call }
  /** This call has had its time. Abort it; an answer that comes all the same is still told. */
  | { readonly type: 'abandon'; readonly call: Call }
  | { readonly type: 'elect'; readonly attempt: number; readonly fencingToken: number }
  /** Abort the signal of this tenure before anything else. */
  | { readonly type: 'depose'; readonly attempt: number; readonly why: TenureEnd }
  | { readonly type: 'overrun'; readonly attempt: number }

export interface Step {
  readonly state: State
  readonly effects: readonly Effect[]
}

export const initialState: State = { role: 'idle', attempts: 0, calls: 0, watched: false }

/** What is left of the lease of one attempt, in milliseconds; also while it is kept for its work to end in. */
export function leaseLeftMs(timing: Timing, state: State, attempt: number, now: Instant): number {
  if (!isReign(state) || state.attempt !== attempt || !state.grant) return 0
  return Math.max(0, remainingMs(timing, state.grant, now))
}

export function countersOf(state: State): Counters {
  return { attempts: state.attempts, calls: state.calls, watched: state.watched }
}

export function isReign(state: State): state is Leading | Draining {
  return state.role === 'leading' || state.role === 'draining'
}

export function idle(state: State): Idle {
  return { role: 'idle', ...countersOf(state) }
}
