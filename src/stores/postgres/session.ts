/**
 * What a store asks of the user's client, whichever it is: connections of its own, one `Session` each. Types, and the
 * question that every new connection is asked.
 */

import type { Statement } from '../shared/sql.ts'

/** Everything goes and comes as text: whatever parsers the user's client has, a token stays exact. */
export type Value = string | null
export type Row = readonly Value[]

/** One connection, ours alone until it is closed. Its statements come one after the other. */
export interface Session {
  /** A pooler stands between: each statement may go to another connection of the server, and no notification comes. */
  readonly pooled: boolean
  /** The server follows another, and takes no writes. */
  readonly recovering: boolean
  /** Rejects with whatever the driver threw. */
  query(statement: Statement, values: readonly Value[]): Promise<readonly Row[]>
  /** Resolves when notifications come; `again` is called when they do so after a gap. */
  listen(channel: string, heard: (payload: string) => void, again: () => void): Promise<void>
  /** Give it back. Only with no statement in the air. */
  close(): void
  /** Never to be used again, by anybody. A statement in the air has an unknown fate. */
  destroy(): void
}

/** Opens sessions from the user's client. */
export interface Driver {
  /**
   * Rejects with whatever the driver threw, or with the reason of the signal; a connection that comes later is given
   * back. `lost` is called once when a session ends that nobody has closed.
   */
  open(signal: AbortSignal, lost: (thrown: unknown) => void): Promise<Session>
}

/**
 * Who is there. Takes the process id that the connection was given: a pooler makes up its own. What is set for the
 * session is set on a connection of our own only, for a pooler would show it to strangers.
 */
export const greeting: Statement = {
  name: 'tenure_greeting',
  text: `SELECT pg_backend_pid()::text, pg_is_in_recovery()::text, CASE WHEN pg_backend_pid()::text = $1::text THEN
set_config('application_name', 'tenure', false) || set_config('default_transaction_isolation', 'read committed', false) END`,
}
