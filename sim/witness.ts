/**
 * What is worth seeing in a simulation, told to all checkers. A checker may look at everything and must change nothing:
 * no question of it may use up dice or end a tenure.
 */

import type { Tenure, TenureEnd } from '../src/index.ts'
import type { Member } from './member.ts'
import type { Commit } from './stores/server.ts'

/** One call of a candidate to its store. */
export interface StoreCall {
  readonly member: Member
  readonly verb: 'acquire' | 'renew' | 'release' | 'read'
  readonly holder: string
  /** The monotonic time of the process when it left. */
  readonly sentMono: number
  readonly blockedBefore: number
  readonly signal: AbortSignal
  /** What came of it, once it has come. */
  outcome: 'pending' | 'resolved' | 'rejected'
  /** For a renewal the milliseconds granted; for an acquire those left, if the lease is ours. */
  granted: number | undefined
}

/** Something the work did to the outside world. */
export interface Write {
  readonly member: Member
  readonly tenure: Tenure
  readonly fencingToken: number
  /** The true time before which no rival may have led, margin included. */
  readonly safeUntil: number
  readonly admitted: boolean
}

export type EventName = 'elected' | 'deposed' | 'leader' | 'trouble' | 'stopped'

export interface Checker {
  /** A turn is over and all its promises have been drained. `thorough`: now and then, look at everybody. */
  turned?(thorough: boolean): void
  called?(call: StoreCall): void
  answered?(call: StoreCall): void
  committed?(commit: Commit): void
  elected?(member: Member, tenure: Tenure): void
  deposed?(member: Member, tenure: Tenure, why: TenureEnd): void
  /** A candidate has heard who leads. */
  learned?(member: Member, fencingToken: number | undefined): void
  /** The bystander has heard who leads the first election. */
  observed?(fencingToken: number | undefined): void
  /** The work has not settled in its time. */
  overran?(member: Member): void
  /** Any event of a candidate. */
  told?(member: Member, event: EventName): void
  /** Asked by its user, a candidate said that it leads. */
  claimed?(member: Member, leftMs: number): void
  workBegan?(member: Member, tenure: Tenure): void
  workEnded?(member: Member, tenure: Tenure): void
  starting?(member: Member): void
  stopping?(member: Member): void
  stopped?(member: Member): void
  landed?(write: Write): void
  /** Everything has been stopped, and whatever was under way has arrived. */
  ended?(): void
}

type Hook = keyof Checker

/** Passes what is seen on to all checkers that care. */
export class Witness {
  readonly #checkers: readonly Checker[]
  readonly #byHook = new Map<Hook, readonly Checker[]>()
  readonly #turned: readonly Checker[]
  #turns = 0

  constructor(checkers: readonly Checker[]) {
    this.#checkers = checkers
    this.#turned = checkers.filter(({ turned }) => turned)
  }

  /** As `tell('turned')`, for what happens most often. */
  turned(): void {
    this.#turns += 1
    const thorough = this.#turns % 16 === 0
    for (const checker of this.#turned) checker.turned?.(thorough)
  }

  tell<H extends Hook>(hook: H, ...args: Parameters<NonNullable<Checker[H]>>): void {
    let caring = this.#byHook.get(hook)
    if (!caring) {
      caring = this.#checkers.filter((checker) => checker[hook] !== undefined)
      this.#byHook.set(hook, caring)
    }
    for (const checker of caring) {
      const see = checker[hook] as ((...args: Parameters<NonNullable<Checker[H]>>) => void) | undefined
      see?.apply(checker, args)
    }
  }
}
