/**
 * Instants that several processes of one host share: its monotonic clock, which is one for all of them, and its wall
 * clock. An instant is sent as it is and never as a duration, since whoever gets a duration late would end late.
 */

import type { Tenure } from '../index.ts'

export interface HostInstant {
  readonly mono: number
  readonly wall: number
}

export function hostNow(): HostInstant {
  return { mono: Number(process.hrtime.bigint()) / 1e6, wall: Date.now() }
}

/** Milliseconds until an instant, by the clock that is ahead: the monotonic one stands still while a machine sleeps. */
export function leftMs(until: HostInstant): number {
  const now = hostNow()
  return Math.min(until.mono - now.mono, until.wall - now.wall)
}

export function later(than: HostInstant, ms: number): HostInstant {
  return { mono: than.mono + ms, wall: than.wall + ms }
}

/** The deadline of a tenure; `undefined` once it has passed, since nobody can tell when. */
export function deadlineOf(tenure: Pick<Tenure, 'remainingMs'>): HostInstant | undefined {
  // The clocks first: a pause between the two questions then makes the deadline earlier, never later.
  const now = hostNow()
  const ms = tenure.remainingMs()
  return ms > 0 ? later(now, ms) : undefined
}
