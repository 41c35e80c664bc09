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
  /** Writes that came too late, of trees that nobody was left to end. */
  readonly refused: number
  /** Rejects when an old tree writes after a new one has begun, or somebody does not do what is waited for. */
  round(kind: string): Promise<Round>
  close(): Promise<void>
}

/** `boundMs`: how long anything may take before a round fails. */
export function openWorld(planted?: readonly Fault[], boundMs?: number): Promise<World>
/** So many rounds, of each kind in turn. Rejects as `round` does, but for what a host that stands still brings about: repeated. */
export function runRounds(
  count: number,
  kinds?: readonly string[],
  told?: (done: number) => void,
): Promise<{ readonly results: readonly Round[]; readonly refused: number }>
