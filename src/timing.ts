/**
 * The durations of an election, the relations between them, and the arithmetic of deadlines. Pure: no clock is read
 * here. Durations are milliseconds; instants belong to one process and are never sent anywhere.
 */

import type { Moment } from './clock.ts'

/** All durations of one candidate, complete and validated. */
export interface Timing {
  readonly ttlMs: number
  readonly renewMs: number
  readonly callMs: number
  readonly marginMs: number
  readonly drift: number
  readonly retryMs: number
  readonly drainMs: number
  /** Expiry is decided by observers, so what remains of a repeated acquire cannot be known by the store. */
  readonly observed: boolean
  /** Offset of the grid on which renewals fall, so that all candidates of one store renew in the same turn. */
  readonly phaseMs: number
}

/** One instant by both clocks of this process. */
export interface Instant {
  readonly mono: number
  readonly wall: number
}

/** What the store granted: so many milliseconds, counted from before the request left. */
export interface Grant {
  readonly sent: Instant
  readonly ms: number
}

/** Followers that hear of the same release look within this many milliseconds of each other; half of them at once. */
const SPREAD_MS = 4
/** A renewal that could not be given at least this long is not sent: its answer would come too late to count. */
const LEAST_CALL_MS = 20

/**
 * How long a grant may be believed, counted from its request (Gray and Cheriton, "Leases", 1989): shortened by the rate
 * error of both clocks, and by the margin that the work has to end in.
 */
export function believedMs(timing: Timing, grantedMs: number): number {
  return Math.min(timing.ttlMs, grantedMs) * (1 - 2 * timing.drift) - timing.marginMs
}

/**
 * Milliseconds until the deadline of a grant; 0 or less once it has passed. Elapsed time is the larger of what the two
 * clocks say: the monotonic one stands still while a machine sleeps, the wall clock can be stepped.
 */
export function remainingMs(timing: Timing, grant: Grant, now: Instant): number {
  return believedMs(timing, grant.ms) - elapsedMs(grant.sent, now)
}

export function elapsedMs(since: Instant, now: Instant): number {
  return Math.max(now.mono - since.mono, now.wall - since.wall)
}

/** The grant that reaches further into the truth: an answer to an older request never shortens a deadline. */
export function laterGrant(a: Grant, b: Grant): Grant {
  return b.sent.mono >= a.sent.mono ? b : a
}

/** How long a renewal may take, or `undefined` if it is too late to try: half of what is left, at most `callMs`. */
export function renewalCallMs(timing: Timing, leftMs: number): number | undefined {
  const limit = Math.min(timing.callMs, leftMs / 2)
  return limit < Math.min(LEAST_CALL_MS, timing.callMs) ? undefined : limit
}

/**
 * When to renew next, on a grid that all candidates of a store share, so that one statement can carry them all.
 * Never later than `renewMs` after the last request.
 */
export function nextRenewal(timing: Timing, sentMono: number): number {
  const { renewMs, phaseMs } = timing
  return Math.floor((sentMono + renewMs - phaseMs) / renewMs) * renewMs + phaseMs
}

/** The longest pause before a failed renewal is repeated. */
export function longestPauseMs(timing: Pick<Timing, 'ttlMs'>): number {
  return Math.min(500, timing.ttlMs / 30)
}

/** Pause before the `failures`-th repetition of a renewal: 100, 200, 400, 500 ms, none longer than `longestPauseMs`. */
export function renewalPauseMs(timing: Timing, failures: number, dice: number): number {
  return jittered(Math.min(100 * 2 ** (failures - 1), longestPauseMs(timing)), dice)
}

/** Pause of a follower after its `failures`-th error in a row, doubling from `retryMs` to the larger of it and the ttl. */
export function backoffMs(timing: Pick<Timing, 'retryMs' | 'ttlMs'>, failures: number, dice: number): number {
  // 2 ** 30 pauses are longer than any ttl; the bound keeps the power finite after years of errors.
  const doubled = timing.retryMs * 2 ** Math.min(failures - 1, 30)
  return jittered(Math.min(doubled, Math.max(timing.retryMs, timing.ttlMs)), dice)
}

/**
 * Pause of a follower that was told about somebody else's lease. Until that lease can be free where a watch will tell
 * of everything earlier; otherwise no longer than the jittered `retryMs`.
 */
export function lookPauseMs(timing: Timing, freeInMs: number, watched: boolean, dice: number): number {
  const patience = watched ? timing.ttlMs : jittered(timing.retryMs, dice)
  return Math.min(freeInMs + spreadMs(dice), patience)
}

/**
 * Pause of an observer: until the lease it saw can be over, and no longer than it is told to wait. Where nobody led at the
 * last `vacant` looks it looks again soon: not every watch tells of those who are elected.
 */
export function lookAgainMs(retryMs: number, freeInMs: number | undefined, watched: boolean, vacant: number, dice: number): number {
  if (freeInMs === undefined) return jittered(Math.min(10 * 2 ** vacant, retryMs, 1000), dice)
  return Math.min(freeInMs + spreadMs(dice), jittered(watched ? 3 * retryMs : retryMs, dice))
}

/**
 * A pause of a few milliseconds that keeps those who heard the same news from asking in the same instant. Half of them do
 * not pause: where few follow, somebody asks at once.
 */
export function spreadMs(dice: number): number {
  return Math.max(0, 2 * dice - 1) * SPREAD_MS
}

function jittered(ms: number, dice: number): number {
  return ms * (0.5 + 0.5 * dice)
}

/** The longest pause of the event loop that costs nothing; negative if two failed renewals in a row cost the lease. */
export function slackMs(timing: Timing): number {
  return believedMs(timing, timing.ttlMs) - timing.renewMs - 2 * (timing.callMs + longestPauseMs(timing))
}

export function instantOf(moment: Moment): Instant {
  return { mono: moment.mono, wall: moment.wall }
}
