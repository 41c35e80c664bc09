/**
 * Guards writes in a SQLite file with the fencing token, inside the user's own transaction: the check, the write and
 * the note of the token are one.
 */

import { badOption, TenureError } from '../../errors.ts'
import { fenceStatement } from '../shared/sql.ts'
import { checkDatabase, isInTransaction, type SqliteDatabase } from './client.ts'

const statement = fenceStatement('?', '?')

/**
 * Call first in a transaction that writes to `resource`; the table is made by `ensureSchema()` or `ddl`. Throws a
 * `TenureError` of code `stale-token`, and has written nothing, where a larger token has been seen: roll back.
 *
 * The tokens of one resource must come from one store: those of another kind of store may be smaller for ever.
 */
export function fenced(db: SqliteDatabase, resource: string, fencingToken: number): void {
  checkDatabase(db)
  if (typeof resource !== 'string' || resource === '') throw badOption('resource', 'a non-empty string', resource)
  if (!Number.isSafeInteger(fencingToken)) throw badOption('fencingToken', 'a safe integer', fencingToken)
  if (isInTransaction(db) === false) throw badOption('db', 'in a transaction: the check and your write have to be one', db)
  if (db.prepare(statement).all(resource, fencingToken).length > 0) return
  throw new TenureError('stale-token', `Fencing token ${fencingToken} is stale: \`${resource}\` has seen a larger one`)
}
