/**
 * What a driver of Postgres throws, as the three codes a store may answer with, in one clear line. Must never show a
 * password, and never call definite what nobody knows: a lost connection says nothing about its last statement.
 */

import { messageOf, TenureError, type TenureErrorCode } from '../../errors.ts'

/** What an error of the server means, by SQLSTATE, and what to do about it. */
const meanings: Readonly<Record<string, { readonly code: TenureErrorCode; readonly advice: string }>> = {
  '28000': { code: 'store-denied', advice: 'Check the user name, and what pg_hba.conf allows' },
  '28P01': { code: 'store-denied', advice: 'Check the user name and the password' },
  '42501': {
    code: 'store-denied',
    advice:
      'Grant SELECT, INSERT and UPDATE on tenure_lease and tenure_memo (ensureSchema needs CREATE on the schema); where others are allowed, look at the policies and triggers of the table',
  },
  '3D000': { code: 'store-unfit', advice: 'Check the name of the database' },
  '3F000': { code: 'store-unfit', advice: 'Check the search_path of the user' },
  '42P01': {
    code: 'store-unfit',
    advice: 'Call ensureSchema() of the store once, or run the SQL that `tenure ddl --store postgres://...` prints',
  },
  '42703': { code: 'store-unfit', advice: 'There is a table tenure_lease that is not ours: rename it, or use another schema' },
  '42804': { code: 'store-unfit', advice: 'There is a table tenure_lease that is not ours: rename it, or use another schema' },
  '42710': { code: 'store-unfit', advice: 'There is a type of this name that is not ours: rename it, or use another schema' },
  '42809': { code: 'store-unfit', advice: 'tenure_lease is not a table: rename it, or use another schema' },
  '42P10': { code: 'store-unfit', advice: 'The table tenure_lease has lost its primary key' },
  '25006': { code: 'store-unfit', advice: 'The server is a standby, or default_transaction_read_only is on: connect to the primary' },
  '53200': { code: 'store-unreachable', advice: 'For many advisory locks raise max_locks_per_transaction' },
  '55P03': { code: 'store-unreachable', advice: 'Somebody else keeps the row locked' },
}

/**
 * Errors that are about the connection, or about what it has prepared: another one may fare better. Everything else that
 * the server itself answers can be the fault of a single row, by a policy, a trigger, a constraint or a broken page.
 */
const ofConnection = /^(08|0A|25|26|28|3D|42P05|53300|57P)/

/** How a server answers that cannot tell others: its queue is full, or the user may not use it, or there is none. */
const ofNotice: ReadonlySet<string | undefined> = new Set(['54000', '42501', '42883'])

/** What a driver threw, as an error of the store. */
export function storeError(store: string, verb: string, thrown: unknown): TenureError {
  if (thrown instanceof TenureError) return thrown
  const state = sqlState(thrown)
  const text = `${store}: ${verb} failed: ${wordsOf(thrown)}`
  const meaning = state === undefined ? undefined : meanings[state]
  if (meaning) return new TenureError(meaning.code, `${text} (${state}). ${meaning.advice}`, { cause: thrown })
  // The handshake of pg fails with plain errors, e.g. where a password is needed and none was given.
  if (thrown instanceof Error && thrown.message.startsWith('SASL')) return new TenureError('store-denied', text, { cause: thrown })
  return new TenureError('store-unreachable', state === undefined ? text : `${text} (${state})`, { cause: thrown })
}

/** Whether the connection is as good as before: the server itself has refused this one statement, or one row of it. */
export function isAboutData(thrown: unknown): boolean {
  const state = sqlState(thrown)
  return state !== undefined && !ofConnection.test(state)
}

/** Whether the server may have taken a release back for no other reason than that it could not tell others of it. */
export function mayBeNotice(thrown: unknown): boolean {
  return ofNotice.has(sqlState(thrown))
}

/** Whether the server took the statement back because another was first: it has had no effect. */
export function isLostRace(thrown: unknown): boolean {
  const state = sqlState(thrown)
  return state === '40001' || state === '40P01'
}

/** The SQLSTATE, where the server itself has answered. */
export function sqlState(thrown: unknown): string | undefined {
  const error = thrown instanceof TenureError ? thrown.cause : thrown
  // Only the server's errors have a severity; the codes of Node have five capitals, too.
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined
}

/** Where several addresses were tried, the error itself says nothing: its parts do. */
function wordsOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return [...new Set(thrown.errors.map(messageOf))].join('; ')
  return messageOf(thrown)
}
