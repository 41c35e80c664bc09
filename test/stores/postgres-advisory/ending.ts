/** A program that leads once, stops, and does nothing to end itself; or one that leads until it is killed. */

import { once } from 'node:events'
import pg from 'pg'
import postgresJs from 'postgres'
import { Candidate } from '../../../src/index.ts'
import { postgresAdvisory } from '../../../src/stores/postgres-advisory.ts'

const [, , which, port, election = `ending-${process.pid}`, slowly] = process.argv
const at = { host: '127.0.0.1', port: Number(port), user: 'postgres', database: 'postgres' }
const store = which === 'pg' ? postgresAdvisory(new pg.Pool(at)) : postgresAdvisory((options) => postgresJs({ ...at, ...options }))
const candidate = new Candidate({ store, election, ttlMs: 6000 })
candidate.on('trouble', () => {})
// Its first attempt may be late: this process has just begun.
const elected = new Promise((resolve) => candidate.on('elected', resolve))
await candidate.start()
await elected
process.stdout.write('led\n')
// Somebody wants to do something to it, or to its link, meanwhile.
if (slowly) await once(process.stdin, 'data').then(() => process.stdin.destroy())
await candidate.stop()
process.stdout.write('stopped\n')
