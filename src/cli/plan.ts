/** What a `tenure run` was asked to do: complete and checked. Types only. Durations are milliseconds. */

export interface RunPlan {
  readonly election: string
  /** Program and arguments. */
  readonly command: readonly string[]
  readonly id: string | undefined
  readonly ttlMs: number
  readonly marginMs: number
  readonly retryMs: number
  /** How long to wait to be elected: 0 is one attempt, Infinity for ever. */
  readonly waitMs: number
  readonly conflictExitCode: number
  /** Never 0: nobody may take a lost election for a success. */
  readonly lostExitCode: number
  readonly onLost: 'exit' | 'restart'
  readonly keep: boolean
  readonly holdMs: number
  /** From the deadline to SIGKILL; below the margin. */
  readonly killAfterMs: number
  /** How long the child may take to end after a signal; Infinity for ever. */
  readonly drainMs: number
}
