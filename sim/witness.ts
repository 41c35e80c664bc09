/**
 * What is worth seeing in a simulation, told to all checkers. A checker may look at everything and must change nothing:
 * no question of it may use up dice or end a tenure.
 */

import type { CandidateEvents, Tenure, TenureEnd } from '../src/index.ts'
import type { Member } from './member.ts'
import type { Host } from './process.ts'
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
  /** For a renewal: what was left of the lease when it left. */
  readonly leftMs: number | undefined
  /** Time has stood still since it was decided on: no listener has blocked the loop in between. */
  readonly exact: boolean
  givenUp: boolean
  /** What came of it, once it has come. */
  outcome: 'pending' | 'resolved' | 'rejected'
  /** For a renewal the milliseconds granted; for an acquire those left, if the lease is ours. */
  granted: number | undefined
  /** What is left to somebody else. */
  rivalMs: number | undefined
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

export type EventName = keyof CandidateEvents

export interface Checker {
  /** A turn is over and all its promises have been drained. What changed is with the process whose turn it was. */
  turned?(): void
  /** Now and then, after a turn: look at everybody. */
  surveyed?(): void
  /** A process goes on after it was blocked. */
  woke?(host: Host): void
  called?(call: StoreCall): void
  answered?(call: StoreCall): void
  committed?(commit: Commit): void
  elected?(member: Member, tenure: Tenure): void
  renewed?(member: Member, tenure: Tenure): void
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
type Args<H extends Hook> = Parameters<NonNullable<Checker[H]>>
type See<H extends Hook> = (...args: Args<H>) => void

/** Turns from one look at everybody to the next. */
const SURVEY_EVERY = 16

/** Passes what is seen on to all checkers that care. */
export class Witness {
  readonly #checkers: readonly Checker[]
  readonly #seeing: { [H in Hook]?: readonly See<H>[] } = {}
  readonly #turned: readonly See<'turned'>[]
  #turns = 0

  constructor(checkers: readonly Checker[]) {
    this.#checkers = checkers
    this.#turned = this.#seers('turned')
  }

  /** A turn is over: what happens most often. */
  turned(): void {
    this.#turns += 1
    for (const see of this.#turned) see()
    if (this.#turns % SURVEY_EVERY === 0) this.tell('surveyed')
  }

  tell<H extends Hook>(hook: H, ...args: Args<H>): void {
    const seeing: readonly See<H>[] = this.#seeing[hook] ?? this.#seers(hook)
    for (const see of seeing) see(...args)
  }

  #seers<H extends Hook>(hook: H): readonly See<H>[] {
    const seeing = this.#checkers.flatMap((checker) => (checker[hook] as See<H> | undefined)?.bind(checker) ?? [])
    ;(this.#seeing as { [Name in H]?: readonly See<H>[] })[hook] = seeing
    return seeing
  }
}
