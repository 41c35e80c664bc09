/**
 * A stale leader that the database itself refuses: the token is checked, and noted, in the transaction that writes.
 * Run it with the URL of a database that may be written to:
 *
 *   npx esbuild examples/fencing-postgres.ts --bundle --platform=node --packages=external --format=esm --outfile=.tmp/example.mjs
 *   node .tmp/example.mjs postgres://localhost/test
 */

import pg from 'pg'
// In your project: 'tenure' and 'tenure/postgres'.
import { Candidate, TenureError } from '../src/index.ts'
import { fenced, postgres } from '../src/stores/postgres.ts'

const connectionString = process.argv.find((argument) => argument.startsWith('postgres'))
const pool = new pg.Pool({ connectionString })
await postgres(pool).ensureSchema()
await pool.query('CREATE TABLE IF NOT EXISTS report (id int PRIMARY KEY, author text)')

/** A write of yours, and the check of the token before it, in one transaction. */
async function write(author: string, fencingToken: number): Promise<string> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await fenced(client, 'report', fencingToken)
    await client.query('INSERT INTO report VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET author = excluded.author', [author])
    await client.query('COMMIT')
    return 'written'
  } catch (error) {
    await client.query('ROLLBACK')
    if (error instanceof TenureError) return error.code
    throw error
  } finally {
    client.release()
  }
}

const first = new Candidate({ election: 'fencing-example', store: postgres(pool), id: 'first' })
const second = new Candidate({ election: 'fencing-example', store: postgres(pool), id: 'second' })

await first.start()
const old = first.tenure
if (!old) throw new Error('somebody else leads the election of this example')
console.log('first leads, writes:', await write('by first', old.fencingToken))

// It hands over, and something of it goes on with what it knew.
const elected = new Promise((resolve) => second.on('elected', resolve))
await second.start()
await first.stop()
await elected
console.log('second leads, writes:', await write('by second', second.tenure?.fencingToken ?? 0))
console.log('first writes late:', await write('by first, late', old.fencingToken))

const { rows } = await pool.query('SELECT author FROM report')
console.log('the report says:', rows[0].author)
await second.stop()
await pool.end()
