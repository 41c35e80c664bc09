/** The types of `rounds.mjs`, for tests. */

import type { Fault } from './build.mjs'

export interface Round {
  readonly kind: string
  /** Milliseconds from the fault until no process of the old tree was left; where nobody ends it, `undefined`. */
  readonly goneMs: number | undefined
  /** And until the next child had started. */
  readonly nextMs: number
  /** How the supervisor that led ended: its exit code, or the signal. */
  readonly code: number | string
}

export interface World {
  /** Writes of an old tree that came after one of a newer. */
  readonly overlaps: readonly { readonly token: number; readonly who: string }[]
  /** Writes that came too late, of trees that nobody was left to end. */
  readonly refused: number
  /** Rejects when an old tree writes after a new one has begun, or somebody does not do what is waited for. */
  round(kind: string): Promise<Round>
  close(): Promise<void>
}

export const faults: Readonly<Record<string, unknown>>
/** `boundMs`: how long anything may take before a round fails. */
export function openWorld(planted?: readonly Fault[], boundMs?: number): Promise<World>
