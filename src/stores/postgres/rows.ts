/** Between the words of the contract and the rows of the server. Everything is text on the way. */

import { TenureError } from '../../errors.ts'
import type { Bid, Lease } from '../../store.ts'
import { FORMAT } from '../shared/sql.ts'
import type { Row, Value } from './session.ts'

/** What is told of a lease that lies further ahead than its ttl: the server's clock was stepped back. */
export interface Ahead {
  readonly ttlMs: number
  /** Microseconds since 1970, exactly as the row has it. */
  readonly expiry: string
}

/** What a row tells, or `undefined` where it is not ours to judge. */
export function leaseOf(row: Row): { readonly lease: Lease; readonly ahead: Ahead | undefined } | undefined {
  const [, holder, candidate, advert, token, ttlMs, leftMs, heldMs, expiry, ahead, format] = row
  const fencingToken = Number(token)
  if (format !== String(FORMAT) || !Number.isSafeInteger(fencingToken)) return undefined
  const lease: Lease = {
    holder: holder ?? '',
    candidate: candidate ?? '',
    advert: advert ?? undefined,
    fencingToken,
    remainingMs: Number(leftMs),
    heldMs: Number(heldMs),
  }
  return { lease, ahead: ahead === 'ahead' ? { ttlMs: Number(ttlMs), expiry: expiry ?? '' } : undefined }
}

/** The rows of an advisory lock, in the same table. */
export const LOCK_FORMAT = 2

export function foreignRow(store: string, election: string, row: Row): TenureError {
  const format = row.at(-1)
  const [why, advice] =
    format === String(LOCK_FORMAT)
      ? ['is that of an advisory lock (postgres-advisory)', 'Let all candidates use one kind of store, or delete the row when none stands']
      : ['was not written by this version', 'Let all candidates run one version']
  return new TenureError('store-unfit', `${store}: the row of \`${election}\` in tenure_lease ${why}: expected format ${FORMAT}. ${advice}`)
}

/** The parameters of a bid, in the order of the statement. */
export function valuesOf({ election, holder, candidate, advert, ttlMs }: Bid, stale: string | null): readonly Value[] {
  return [election, holder, candidate, advert ?? null, String(ttlMs), stale]
}

/** Rows of parameters as one array for each column. */
export function columnsOf(rows: readonly (readonly Value[])[]): readonly Value[] {
  return (rows[0] ?? []).map((_, column) => arrayOf(rows.map((row) => row[column] ?? null)))
}

/** An array as Postgres reads it. Written here, because drivers differ in what they make of an array. */
export function arrayOf(values: readonly Value[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : `"${value.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`
}

/** Postgres keeps every character but one. */
export function checkText(store: string, what: string, value: string | undefined): void {
  if (value?.includes('\0')) throw new TenureError('store-unfit', `${store}: expected ${what} to be without the character U+0000`)
}
