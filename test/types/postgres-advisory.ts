/** Compiled, never run: the clients of the real packages fit what the advisory store of Postgres asks of one. */

import pg, { Pool } from 'pg'
import sql, { type TransactionSql } from 'postgres'
import { type AdvisoryClient, fenced, postgresAdvisory } from '../../src/stores/postgres-advisory.ts'

class PoolOfTheirs extends Pool {}

export const clients: readonly AdvisoryClient[] = [
  new Pool(),
  new pg.Pool({ connectionString: 'postgres://localhost/db', max: 5, keepAlive: true }),
  new PoolOfTheirs({ host: 'localhost' }),
  (options) => sql(options),
  (options) => sql('postgres://localhost/db', options),
  (options) => sql({ host: 'localhost', ssl: 'require', ...options }),
  (options) => sql({ types: { bigint: sql.BigInt }, transform: sql.camel, ...options }),
]

export const stores = [
  postgresAdvisory(new Pool(), { key: 728379n, wait: 'poll' }),
  postgresAdvisory((options) => sql('postgres://localhost/db', options), { key: undefined, wait: undefined, clock: undefined }),
  // @ts-expect-error a client of postgres.js shares its connections: it is refused
  postgresAdvisory(sql()),
  // @ts-expect-error a number cannot hold every key
  postgresAdvisory(new Pool(), { key: 728379 }),
]

export async function transactions(client: pg.PoolClient, transaction: TransactionSql): Promise<void> {
  for (const one of [client, transaction]) await fenced(one, 'report', 1)
}
