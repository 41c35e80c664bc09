/** Compiled, never run: the clients of the real packages fit what the Postgres store asks of one. */

import pg, { Pool } from 'pg'
import sql, { type TransactionSql } from 'postgres'
import { fenced, type PgTransaction, type PostgresClient, type PostgresJsTransaction } from '../../src/stores/postgres.ts'

class PoolOfTheirs extends Pool {}

export const clients: readonly PostgresClient[] = [
  new Pool(),
  new pg.Pool({ connectionString: 'postgres://localhost/db', max: 5, keepAlive: true }),
  new PoolOfTheirs({ host: 'localhost' }),
  sql(),
  sql('postgres://localhost/db', { max: 4, prepare: false }),
  sql({ types: { bigint: sql.BigInt }, transform: sql.camel }),
]

export async function transactions(client: pg.PoolClient, single: pg.Client, transaction: TransactionSql): Promise<void> {
  const all: readonly (PgTransaction | PostgresJsTransaction)[] = [client, single, transaction]
  for (const one of all) await fenced(one, 'report', 1)
  await sql().begin((begun) => fenced(begun, 'report', 1))
}

/** Each statement of these may go to another connection: no check is one with the write that follows. */
export async function noTransactions(): Promise<void> {
  // @ts-expect-error a pool
  await fenced(new Pool(), 'report', 1)
  // @ts-expect-error a client of postgres.js, outside of `begin`
  await fenced(sql(), 'report', 1)
}
