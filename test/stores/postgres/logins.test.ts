/** What can go wrong around a login, where a real server does it too rarely. */

import { Client, Pool } from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { postgres } from '../../../src/stores/postgres.ts'
import { Checkouts } from '../../../src/stores/shared/checkouts.ts'
import { ManualClock } from '../../../src/testing/index.ts'
import { dismissal, type Pretence, type Pretender, startPretender, welcome } from '../../harness/pretender.ts'
import { until } from '../../harness/server.ts'
import { calm } from './bench.ts'

describe('logins', () => {
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function facing(pretence: Pretence): Promise<{ server: Pretender; pool: Pool }> {
    const server = await startPretender(pretence)
    ends.push(() => server.close())
    const pool = new Pool({ host: '127.0.0.1', port: server.port, user: 'me', database: 'db' })
    pool.on('error', () => {})
    return { server, pool }
  }

  test('a connection that is lost between the login and the first answer is an outage', async () => {
    const { pool } = await facing({ login: (socket) => socket.write(welcome), asked: (socket) => socket.destroy() })
    const uncaught: unknown[] = []
    const note = (thrown: unknown) => uncaught.push(thrown)
    process.prependListener('uncaughtException', note)
    ends.push(() => process.removeListener('uncaughtException', note))
    await expect(postgres(pool).read('e', calm())).rejects.toMatchObject({ code: 'store-unreachable' })
    expect(uncaught).toEqual([])
  })

  test('a connection that is lost in the very segment of its login is an outage', async () => {
    const { pool } = await facing({ login: (socket) => socket.end(Buffer.concat([welcome, dismissal])) })
    await expect(postgres(pool).read('e', calm())).rejects.toMatchObject({ code: 'store-unreachable' })
  })

  test('logins that nobody answers are not waited for without end', async () => {
    // As behind a proxy that stalls; nobody has set connectionTimeoutMillis.
    const { server, pool } = await facing({ login: (socket, nth) => void (nth > 12 && socket.write(welcome)) })
    const clock = new ManualClock()
    const checkouts = new Checkouts(pool, clock)
    const given = new Error('given up')
    const ask = async () => {
      const controller = new AbortController()
      const asked = checkouts.take(controller.signal).then(
        (client) => client,
        (thrown: unknown) => thrown,
      )
      await until('what was hung up is gone', () => pool.totalCount <= 4 && server.connections === pool.totalCount)
      await clock.advance(2000)
      if (server.logins <= 12) controller.abort(given)
      return asked
    }
    let answer: unknown = given
    for (let round = 0; round < 100 && answer === given; round++) answer = await ask()
    expect(answer).toBeInstanceOf(Client)
    expect(server.logins).toBeGreaterThan(12)
  })

  test('what waits for a pool that is full is forgotten, too, and does not grow', async () => {
    const { pool } = await facing({ login: (socket) => socket.write(welcome) })
    const owners = await Promise.all(Array.from({ length: 10 }, () => pool.connect()))
    const clock = new ManualClock()
    const checkouts = new Checkouts(pool, clock)
    for (let round = 0; round < 100; round++) {
      await expect(checkouts.take(AbortSignal.timeout(0))).rejects.toThrow()
      await clock.advance(2000)
    }
    expect(pool.waitingCount).toBe(8)
    for (const owner of owners) owner.release()
    const client = await checkouts.take(calm())
    client.release()
    await until('the others were given back', () => pool.waitingCount === 0 && pool.idleCount === pool.totalCount)
  })
})
