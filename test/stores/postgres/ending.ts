/** A program that leads once, stops, and does nothing to end itself. */

import { once } from 'node:events'
import pg from 'pg'
import postgresJs from 'postgres'
import { Candidate } from '../../../src/index.ts'
import { postgres } from '../../../src/stores/postgres.ts'

const [, , which, port, slowly] = process.argv
const at = { host: '127.0.0.1', port: Number(port), user: 'postgres', database: 'postgres' }
const pool = which?.startsWith('pg') ? new pg.Pool(at) : undefined
const sql = postgresJs({ ...at, onnotice: () => {} })
const candidate = new Candidate({ store: postgres(pool ?? sql), election: `ending-${process.pid}`, ttlMs: 6000 })
candidate.on('trouble', () => {})
// Its first attempt may be late: this process has just begun.
const elected = new Promise((resolve) => candidate.on('elected', resolve))
await candidate.start()
await elected
process.stdout.write('led\n')
// Somebody wants to do something to the link meanwhile.
if (slowly) await once(process.stdin, 'data').then(() => process.stdin.destroy())
await candidate.stop()
process.stdout.write('stopped\n')
// A client of postgres.js keeps its own connections until its owner ends it; a pool has none left.
if (!pool) await sql.end()
// Its owner may end it all the same, at once.
if (which === 'pg, ended') await pool?.end()
