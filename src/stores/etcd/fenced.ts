/**
 * Writes to etcd that a stale leader cannot make: comparisons to add to a transaction of the user's own. They hold only
 * while the key of that very tenure stands, so nothing has to remember the largest token. For what lies outside of etcd,
 * pass the token along and let the resource compare.
 */

import { badOption } from '../../errors.ts'
import { Names } from './names.ts'
import { type Compare, createdAt, rangeOf } from './wire.ts'

/** What a `Tenure` tells, or what a child process finds in its environment. */
export interface FencedTenure {
  readonly election: string
  readonly fencingToken: number
}

/** Where the elections are, if not where they are by default. */
export interface FencedOptions {
  /** As it was given to `etcd()`. @default `tenure` */
  readonly prefix?: string | undefined
}

/**
 * Comparisons, in the words of the JSON gateway (`compare` of `/v3/kv/txn`), that are true only while this tenure stands.
 * Not for `interop`, where others may queue in the same range: there use `fenced` of the store that leads.
 */
export function fenced({ election, fencingToken }: FencedTenure, { prefix = 'tenure' }: FencedOptions = {}): readonly Compare[] {
  if (!Number.isSafeInteger(fencingToken) || fencingToken < 1) throw badOption('fencingToken', 'a safe integer, at least 1', fencingToken)
  // Nothing else is ever in the range of an election; and where nothing is, nothing was created at any revision.
  return [createdAt(rangeOf(new Names(prefix, false).directory(election)), fencingToken)]
}
