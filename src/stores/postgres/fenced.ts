/**
 * Guards writes in Postgres with the fencing token, inside the user's own transaction: the check, the write and the
 * note of the token are one. The row of the resource stays locked until the transaction ends, so that guarded writes of
 * one resource come one after the other.
 */

import { badOption, TenureError } from '../../errors.ts'
import { fenceStatement } from '../shared/sql.ts'

/** What is used of a client of pg inside a transaction. */
export interface PgTransaction {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
  /** A pool has it: there each statement may go to another connection. */
  readonly totalCount?: never
}

/** What is used of a transaction of postgres.js, as `sql.begin` gives it. */
export interface PostgresJsTransaction {
  unsafe(text: string, values: (string | number)[]): PromiseLike<ArrayLike<unknown>>
  /** The client itself has it: there each statement may go to another connection. */
  readonly begin?: never
}

const statement = fenceStatement('$1::text', '$2::bigint')

/**
 * Call first in a transaction that writes to `resource`; the table is made by `ensureSchema()` or `ddl`. Throws a
 * `TenureError` of code `stale-token`, and has written nothing, where a larger token has been seen: let it roll back.
 * A pool, or the client of postgres.js itself, is refused (`bad-option`); that a client of pg is between BEGIN and COMMIT
 * nobody checks.
 *
 * The tokens of one resource must come from one store: those of another kind of store may be smaller for ever.
 */
export async function fenced(transaction: PgTransaction | PostgresJsTransaction, resource: string, fencingToken: number): Promise<void> {
  if (!isTransaction(transaction)) {
    throw badOption('transaction', 'a client of pg between BEGIN and COMMIT, or what `sql.begin` of postgres.js gives', transaction)
  }
  if (typeof resource !== 'string' || resource === '') throw badOption('resource', 'a non-empty string', resource)
  if (!Number.isSafeInteger(fencingToken)) throw badOption('fencingToken', 'a safe integer', fencingToken)
  const values = [resource, String(fencingToken)]
  const rows = 'unsafe' in transaction ? await transaction.unsafe(statement, values) : (await transaction.query(statement, values)).rows
  if (rows.length > 0) return
  throw new TenureError('stale-token', `Fencing token ${fencingToken} is stale: \`${resource}\` has seen a larger one`)
}

/** Not what spreads its statements over connections: the check would be none. */
function isTransaction(given: unknown): boolean {
  if (typeof given === 'function') return 'unsafe' in given && !('begin' in given)
  return typeof given === 'object' && given !== null && ('query' in given || 'unsafe' in given) && !('totalCount' in given)
}
