/** What can go wrong around a login of the bus over Postgres, where a real server does it too rarely. */

import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { postgresBus } from '../../../src/failover.ts'
import { ManualClock } from '../../../src/testing/index.ts'
import { dismissal, type Pretence, type Pretender, startPretender, welcome } from '../../harness/pretender.ts'
import { until } from '../../harness/server.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const member = { name: 'a', joined() {}, heard() {}, closed() {}, ignored() {} }

async function facing(pretence: Pretence): Promise<{ server: Pretender; pool: pg.Pool }> {
  const server = await startPretender(pretence)
  ends.push(() => server.close())
  const pool = new pg.Pool({ host: '127.0.0.1', port: server.port, user: 'me', database: 'db' })
  pool.on('error', () => {})
  return { server, pool }
}

test('a connection that is lost in the very segment of its login is trouble, and no more', async () => {
  const { pool } = await facing({ login: (socket) => socket.end(Buffer.concat([welcome, dismissal])) })
  const uncaught: unknown[] = []
  const note = (thrown: unknown) => uncaught.push(thrown)
  process.prependListener('uncaughtException', note)
  ends.push(() => process.removeListener('uncaughtException', note))
  const joining = postgresBus(pool).join(member, new AbortController().signal)
  await expect(joining).rejects.toMatchObject({ code: 'bus-unreachable' })
  expect(uncaught).toEqual([])
})

test('joins that are given up while a proxy stalls do not use up the pool; the link is had when it answers', async () => {
  const { server, pool } = await facing({ login: (socket, nth) => void (nth > 8 && socket.write(welcome)) })
  const clock = new ManualClock()
  const bus = postgresBus(pool, { clock })
  const held = new AbortController()
  for (let round = 0; round < 40 && server.logins <= 8; round++) {
    const given = new AbortController()
    const joined = bus.join(member, given.signal)
    await until('few are under way', () => pool.totalCount > 0 && pool.totalCount <= 4 && server.connections === pool.totalCount)
    await clock.advance(2000)
    given.abort()
    await joined
  }
  expect(server.logins).toBeGreaterThan(8)
  const lost = bus.join(member, held.signal)
  // It says nothing but welcome; that is enough to see that the bus has a connection.
  await until('it was given to the bus', () => pool.idleCount === 0 && pool.totalCount > 0)
  held.abort()
  await lost
})

test('what is no pool is refused at once', () => {
  // @ts-expect-error a single client is no pool
  expect(() => postgresBus(new pg.Client())).toThrow('Expected `client` to be a Pool of pg or a client of postgres.js, got')
})
