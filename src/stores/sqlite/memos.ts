/**
 * Memos in a table beside the leases, so that a renewal does not have to write them again. Looking at the lease and
 * writing the memo are one transaction.
 */

import type { Author, Memo } from '../../store.ts'
import { checkMemo } from '../shared/memo.ts'
import { FORMAT } from '../shared/sql.ts'
import type { Connection, Limits } from './connection.ts'

export interface MemosParts {
  readonly connection: Connection
  /** Monotonic time of the host, in milliseconds. */
  readonly host: () => number
  limits(verb: string, signal: AbortSignal): Limits
  /** Resolves with the name of the host's clock once the file is known to be fit. */
  ready(limits: Limits): Promise<string>
}

const recallSql = 'SELECT text AS a FROM main.tenure_memo WHERE name = ?'

/** Takes name and text; then name, token, now and the clock of a lease that has to live. */
const rememberSql = `INSERT INTO main.tenure_memo (name, text) SELECT ?, ? WHERE EXISTS (
  SELECT 1 FROM main.tenure_lease WHERE name = ? AND token = ? AND expires_at > ? AND clock = ? AND format = ${FORMAT}
) ON CONFLICT (name) DO UPDATE SET text = excluded.text RETURNING name`

export function memos({ connection, host, limits, ready }: MemosParts): Memo {
  return {
    async read(election: string, signal: AbortSignal) {
      const within = limits('memo.read', signal)
      await ready(within)
      const text = await connection.read(within, () => connection.all(recallSql, election)[0]?.[0])
      return typeof text === 'string' ? String(JSON.parse(text)) : undefined
    },

    async write({ election, fencingToken }: Author, text: string, signal: AbortSignal) {
      checkMemo(text)
      const within = limits('memo.write', signal)
      const clock = await ready(within)
      // As JSON: some drivers end a text at the character U+0000.
      const values = [election, JSON.stringify(text), election, fencingToken]
      const written = await connection.write(within, 'durable', () =>
        connection.all(rememberSql, ...values, Math.floor(host() * 1000), clock),
      )
      return written.length > 0
    },
  }
}
