/**
 * A stale leader that the database itself refuses: the token is checked, and noted, in the transaction that writes.
 * Run it with the path of a file:
 *
 *   npx esbuild examples/fencing-sqlite.ts --bundle --platform=node --packages=external --format=esm --outfile=.tmp/example.mjs
 *   node .tmp/example.mjs .tmp/example.db
 */

import Database from 'libsql'
// In your project: 'tenure' and 'tenure/sqlite'.
import { Candidate, TenureError } from '../src/index.ts'
import { fenced, sqlite } from '../src/stores/sqlite.ts'

const file = process.argv[2] ?? 'example.db'
// One connection for the elections, one for your own work.
const store = sqlite(new Database(file))
await store.ensureSchema()
const db = new Database(file)
db.exec('CREATE TABLE IF NOT EXISTS report (id INTEGER PRIMARY KEY, author TEXT)')

/** A write of yours, and the check of the token before it, in one transaction. */
function write(author: string, fencingToken: number): string {
  db.exec('BEGIN IMMEDIATE')
  try {
    fenced(db, 'report', fencingToken)
    db.prepare('INSERT INTO report VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET author = excluded.author').run(author)
    db.exec('COMMIT')
    return 'written'
  } catch (error) {
    db.exec('ROLLBACK')
    if (error instanceof TenureError) return error.code
    throw error
  }
}

const first = new Candidate({ election: 'fencing-example', store, id: 'first' })
const second = new Candidate({ election: 'fencing-example', store: sqlite(new Database(file)), id: 'second' })

await first.start()
const old = first.tenure
if (!old) throw new Error('somebody else leads the election of this example')
console.log('first leads, writes:', write('by first', old.fencingToken))

// It hands over, and something of it goes on with what it knew.
const elected = new Promise((resolve) => second.on('elected', resolve))
await second.start()
await first.stop()
await elected
console.log('second leads, writes:', write('by second', second.tenure?.fencingToken ?? 0))
console.log('first writes late:', write('by first, late', old.fencingToken))

const row = db.prepare('SELECT author FROM report').get() as { author: string }
console.log('the report says:', row.author)
await second.stop()
