/**
 * A transactional outbox: messages are inserted in the same transaction as the data they speak of, and sent afterwards by
 * whichever copy of the service leads. This file is the table; `service.ts` leads and sends, `receiver.ts` takes them in.
 *
 * Order is that of `id`. Two producers that commit at the same time may become visible in another order than their ids;
 * where that matters, let one kind of message have one producer, or take a lock in the producer's transaction.
 */

import { Pool, type PoolClient } from 'pg'
// In your project: 'tenure/postgres'.
import { fenced } from '../../src/stores/postgres.ts'

export interface Message {
  readonly id: number
  readonly text: string
}

/** Names the outbox where it is fenced. */
const RESOURCE = 'outbox'

export class Outbox {
  readonly pool: Pool

  constructor(connectionString: string, ttlMs: number) {
    this.pool = new Pool({
      connectionString,
      max: 5,
      connectionTimeoutMillis: 5000,
      // A leader that is frozen inside its transaction would lock out the next one until it is thawed.
      idle_in_transaction_session_timeout: ttlMs,
    })
    // A connection that breaks is thrown away. What was to be asked on it has failed, and is tried again.
    this.pool.on('error', () => {})
    this.pool.on('connect', (client) => client.on('error', () => {}))
  }

  async ensureSchema(): Promise<void> {
    await this.pool.query(`CREATE TABLE IF NOT EXISTS outbox (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL, sent_at timestamptz, sent_under bigint)`)
    await this.pool.query('CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (id) WHERE sent_at IS NULL')
  }

  /** First thing in a tenure: from here on nothing is marked under an older token, so that what is read stays true. */
  takeOver(fencingToken: number): Promise<void> {
    return this.#transaction((client) => fenced(client, RESOURCE, fencingToken))
  }

  async unsent(limit: number): Promise<Message[]> {
    const { rows } = await this.pool.query('SELECT id, text FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT $1', [limit])
    return rows.map(({ id, text }) => ({ id: Number(id), text }))
  }

  /** Throws a `TenureError` of code `stale-token`, and has marked nothing, once a later leader has taken over. */
  markSent(ids: readonly number[], fencingToken: number): Promise<void> {
    return this.#transaction(async (client) => {
      await fenced(client, RESOURCE, fencingToken)
      await client.query('UPDATE outbox SET sent_at = now(), sent_under = $2 WHERE id = ANY($1)', [ids, fencingToken])
    })
  }

  async #transaction(work: (client: PoolClient) => Promise<void>): Promise<void> {
    const client = await this.pool.connect()
    let failed: Error | undefined
    try {
      await client.query('BEGIN')
      await work(client)
      await client.query('COMMIT')
    } catch (error) {
      failed = error instanceof Error ? error : new Error(String(error))
      throw error
    } finally {
      // One that failed is closed, which rolls back whatever is left.
      client.release(failed)
    }
  }
}
