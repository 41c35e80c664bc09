/** What can go wrong around a login, where a real server does it too rarely. */

import { Pool } from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { postgres } from '../../../src/stores/postgres.ts'
import { dismissal, type Pretence, type Pretender, startPretender, welcome } from '../../harness/pretender.ts'
import { calm } from './bench.ts'

describe('logins', () => {
  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function before(pretence: Pretence): Promise<{ server: Pretender; pool: Pool }> {
    const server = await startPretender(pretence)
    ends.push(() => server.close())
    const pool = new Pool({ host: '127.0.0.1', port: server.port, user: 'me', database: 'db' })
    pool.on('error', () => {})
    return { server, pool }
  }

  test('a connection that is lost between the login and the first answer is an outage', async () => {
    const { pool } = await before({ login: (socket) => socket.write(welcome), asked: (socket) => socket.destroy() })
    const uncaught: unknown[] = []
    const note = (thrown: unknown) => uncaught.push(thrown)
    process.prependListener('uncaughtException', note)
    ends.push(() => process.removeListener('uncaughtException', note))
    await expect(postgres(pool).read('e', calm())).rejects.toMatchObject({ code: 'store-unreachable' })
    expect(uncaught).toEqual([])
  })

  test('a connection that is lost in the very segment of its login is an outage', async () => {
    const { pool } = await before({ login: (socket) => socket.end(Buffer.concat([welcome, dismissal])) })
    await expect(postgres(pool).read('e', calm())).rejects.toMatchObject({ code: 'store-unreachable' })
  })
})
