/** Clients as their own pages make them. */

import { Redis } from 'ioredis'
import pg from 'pg'

export function redisAt({ port, commandTimeout }) {
  const client = new Redis({ port, ...(commandTimeout ? { commandTimeout } : {}) })
  // It connects again by itself; without a listener it would only print.
  client.on('error', () => {})
  return client
}

export function postgresUrl({ port }) {
  return `postgres://postgres@127.0.0.1:${port}/postgres`
}

export function poolAt(plan) {
  const pool = new pg.Pool({ connectionString: postgresUrl(plan), connectionTimeoutMillis: 5000 })
  pool.on('error', () => {})
  return pool
}
