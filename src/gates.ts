/**
 * Gates: run something only where a candidate leads, or a failover is primary, and say who leads where it does not. They ask the candidate at each
 * call and keep nothing. A gate is asked once, at the entry: what goes on for longer looks at its tenure.
 */

import type { Candidate } from './candidate.ts'
import { checkMethods, checkType } from './options.ts'
import type { Tenure } from './tenure.ts'

/** A `Failover`, as far as a gate looks at it. */
export interface Primacy {
  readonly id: string
  readonly election: string
  readonly role: 'primary' | 'secondary'
  readonly tenure: Tenure | undefined
  status(): { readonly primary: { readonly id: string; readonly advert: string | undefined } | undefined }
}

/**
 * A function that does what `fn` does while the candidate leads, and nothing otherwise (it returns `undefined`). `fn` gets
 * the tenure, then the arguments of the call: made for the handlers of schedulers and queues.
 */
export function onlyLeader<Args extends readonly unknown[], R>(
  candidate: Candidate | Primacy,
  fn: (tenure: Tenure, ...args: Args) => R,
): (...args: Args) => R | undefined {
  checkCandidate(candidate)
  checkType('fn', fn ?? null, 'function', 'a function')
  return (...args) => {
    const { tenure } = candidate
    return tenure && fn(tenure, ...args)
  }
}

/** What a process that does not lead answers over HTTP, whatever serves it. */
export interface Refusal {
  readonly status: 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: {
    readonly error: 'not-leader'
    readonly election: string
    /** The id of the candidate that leads, as far as is known; null where nobody is known to. */
    readonly leader: string | null
    /** What the leader advertises, e.g. its URL. */
    readonly address: string | null
  }
}

/**
 * `undefined` while the candidate leads; otherwise the answer to give: 503 with who leads, and where. What is known of
 * the leader may be old: who follows the address may be sent on.
 */
export function refusal(candidate: Candidate | Primacy): Refusal | undefined {
  checkCandidate(candidate)
  const leads = isPrimacy(candidate) ? candidate.role === 'primary' : candidate.isLeader
  if (leads) return undefined
  const { election } = candidate
  const other = otherOf(candidate)
  return {
    status: 503,
    headers: { 'retry-after': '1', 'cache-control': 'no-store' },
    body: { error: 'not-leader', election, leader: other?.id ?? null, address: other?.advert ?? null },
  }
}

/** Who leads, unless it is the one that was asked: it may know of itself as leader for a moment longer than it is one. */
function otherOf(candidate: Candidate | Primacy): { readonly id: string; readonly advert: string | undefined } | undefined {
  if (isPrimacy(candidate)) {
    const { primary } = candidate.status()
    return primary?.id === candidate.id ? undefined : primary
  }
  const { leader } = candidate
  return leader && !leader.isMe ? { id: leader.candidate, advert: leader.advert } : undefined
}

function isPrimacy(candidate: Candidate | Primacy): candidate is Primacy {
  return !('isLeader' in candidate)
}

function checkCandidate(candidate: unknown): void {
  // By its looks: there may be two copies of a package.
  checkMethods('candidate', candidate, ['start', 'stop', 'stepDown'])
  if (typeof candidate !== 'object' || candidate === null) return
  // Neither a candidate nor a failover would seem to lead never.
  if (!('isLeader' in candidate)) checkMethods('candidate', candidate, ['status'])
}
