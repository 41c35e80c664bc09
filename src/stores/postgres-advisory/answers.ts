/** What a row of the statements says, in the words of the contract. */

import { TenureError } from '../../errors.ts'
import type { Lease } from '../../store.ts'
import type { Row } from '../postgres/session.ts'
import { FORMAT } from './statements.ts'

/** How an election stands at the server. */
export interface Standing {
  /** The process id of the session that has the lock; `undefined` while nobody has it. */
  readonly pid: string | undefined
  /** Who leads. Somebody who takes the lock and writes no row is known by the name of the session. */
  readonly lease: Lease | undefined
  /** The lock is taken, and whose it is cannot be told yet. */
  readonly unsettled: boolean
}

/** What sessions of this kind call themselves. */
const OURS = 'tenure'

/** Throws where the row of the election is not ours to judge. `ttlMs` is for the lock of somebody who writes no row. */
export function standingOf(store: string, election: string, told: Row, ttlMs: number): Standing {
  const [pid, application, theirs, holder, candidate, advert, token, rowTtlMs, heldMs, idleMs, format] = told
  if (format !== null && format !== undefined && format !== String(FORMAT)) throw foreignRow(store, election)
  const fencingToken = Number(token ?? 0)
  if (!Number.isSafeInteger(fencingToken)) throw foreignRow(store, election)
  if (pid === null || pid === undefined) return { pid: undefined, lease: undefined, unsettled: false }
  if (theirs === 'theirs') {
    // How long the session has been silent is all that anybody else can know of what is left.
    const remainingMs = Math.max(1, Number(rowTtlMs) - Number(idleMs))
    const lease = { holder: holder ?? '', candidate: candidate ?? '', advert: advert ?? undefined, heldMs: Number(heldMs) }
    return { pid, lease: { ...lease, fencingToken, remainingMs }, unsettled: false }
  }
  if (application === OURS) return { pid, lease: undefined, unsettled: true }
  const lease = { holder: `session ${pid}`, candidate: application || `session ${pid}`, fencingToken, remainingMs: ttlMs }
  return { pid, lease, unsettled: false }
}

export function foreignRow(store: string, election: string): TenureError {
  return new TenureError(
    'store-unfit',
    `${store}: the row of \`${election}\` in tenure_lease is not of an advisory lock: expected format ${FORMAT}. ` +
      'Let all candidates use one kind of store, or delete the row when none stands',
  )
}
