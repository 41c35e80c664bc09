/**
 * What a law is, and how one is broken. A law is data: it has a name, a reason and a check, so that a test file, a
 * simulator or a page of documentation can each do with it what they need. Knows no test runner.
 */

import type { Lease } from '../../store.ts'
import type { Lab } from './lab.ts'

/** What a store, or its lab, has to offer before a law can be asked of it. */
export type Need =
  /** The store has `watch`. */
  | 'watch'
  /** The store has `list`. */
  | 'list'
  /** The store has `memo`. */
  | 'memo'
  /** Expiry is decided by the store's clock, not by observers. */
  | 'clock'
  /** The lab can delete the record of an election, as an operator would. */
  | 'wipe'
  /** The lab can restart the server. */
  | 'restart'

/** One promise of every store. */
export interface Law {
  /** One sentence; unique. */
  readonly name: string
  /** What goes wrong for users of a store that breaks it. */
  readonly why: string
  readonly needs: readonly Need[]
  /** Resolves where the law is kept; rejects with a `LawBroken` that says what was expected and what came. */
  check(lab: Lab): Promise<void>
}

/** A law is broken: what was expected and what came, in one sentence. */
export class LawBroken extends Error {
  override readonly name = 'LawBroken'
}

/** The machine was too slow for the ttl that was tried: nothing is shown. The law is tried again with a longer one. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow'
  constructor(ttlMs: number) {
    super(`The machine is too slow for a ttl of ${ttlMs} ms: choose a longer \`ttlMs\``)
  }
}

/** A law is tried so often before the machine is called too slow; the ttl doubles each time. */
const TRIES = 6

/** Make a law. Its check is repeated with a longer ttl for as long as the machine is too slow for the one it has. */
export function law(name: string, why: string, check: (lab: Lab) => Promise<void>, needs: readonly Need[] = []): Law {
  return {
    name,
    why,
    needs,
    async check(lab) {
      for (let attempt = 0; ; attempt++) {
        try {
          return await check(lab.slower(2 ** attempt))
        } catch (thrown) {
          if (!(thrown instanceof TooSlow) || attempt + 1 >= TRIES) throw thrown
        }
      }
    },
  }
}

/** Why this law cannot be asked of this lab; `undefined` if it can. */
export function missing(law: Law, lab: Lab): string | undefined {
  const reasons: Record<Need, string | false> = {
    watch: !lab.store.watch && 'the store has no `watch`',
    list: !lab.store.list && 'the store has no `list`',
    memo: !lab.store.memo && 'the store has no `memo`',
    clock: lab.observed && 'expiry is decided by observers',
    wipe: !lab.canWipe && '`wipe` was not given',
    restart: !lab.canRestart && '`restart` was not given',
  }
  for (const need of law.needs) {
    const reason = reasons[need]
    if (reason) return reason
  }
  return undefined
}

export function expected(condition: boolean, what: string, came: string): asserts condition {
  if (!condition) throw new LawBroken(`Expected ${what}, got ${came}`)
}

/** An answer of `acquire` or `read`, for a message. */
export function describeLease(lease: Lease | undefined): string {
  if (!lease) return 'nobody'
  const left = lease.remainingMs > 0 ? `${lease.remainingMs} ms left` : 'nothing left'
  return `\`${lease.candidate}\` as holder with token ${lease.fencingToken} and ${left}`
}

/** Nobody holds the election: the two ways to say so. */
export function isFree(lease: Lease | undefined): boolean {
  return !lease || lease.remainingMs === 0
}

export function isOurs(lease: Lease | undefined, holder: string): lease is Lease {
  return lease?.holder === holder && lease.remainingMs > 0
}
