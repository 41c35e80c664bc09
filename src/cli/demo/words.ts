/** What the stage and its actors say to each other, and the clock that all processes of a host share. */

/** From an actor. Instants are milliseconds of the host's monotonic clock. */
export type Report =
  | { readonly type: 'standing' }
  | { readonly type: 'elected'; readonly at: number; readonly fencingToken: number }
  | { readonly type: 'deposed'; readonly at: number; readonly why: string }
  | { readonly type: 'lease'; readonly remainingMs: number }
  | { readonly type: 'write'; readonly fencingToken: number; readonly isLate: boolean }
  /** The check before a write has passed; the write itself waits for its cue. */
  | { readonly type: 'checked' }
  /** The first thing it said after it was woken. */
  | { readonly type: 'woke'; readonly isLeader: boolean }

/** To an actor. */
export type Cue = 'linger' | 'go' | 'stop'

export const ttlMs = 2000
export const election = 'demo'

export function hostClock(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
