/**
 * What the SQLite store costs, on a file with every commit on disk: a bid against one raw conditional write, what
 * followers ask, what a look costs, ten thousand elections, and all that is measured of every store. Run by
 * `npm run figures -- sqlite [part...]`, on Node 22.13 or later with Node's own SQLite, else with libsql.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Candidate, type LeaseStore } from '../../src/index.ts'
import { sqlite } from '../../src/stores/sqlite.ts'
import { drivers, type Opened, openAny } from '../../test/stores/sqlite/drivers.ts'
import {
  crashes,
  crowd,
  freezes,
  handovers,
  mean,
  ms,
  now,
  patient,
  ratioOf,
  sleep,
  spread,
  stalls,
  stand,
  Troupe,
  tenThousand,
} from './shared.ts'

const TTL = 2000
const program = fileURLToPath(import.meta.url)
const open = (file: string) => sqlite(openAny(file))
const troupe = (file: string, election: string, ttlMs: number) => new Troupe(program, file, election, String(ttlMs))

const parts: Record<string, (file: string) => Promise<void>> = {
  bids,
  looks,
  handovers: (file) => handovers(troupe(file, 'handover', 15_000), 'looks every 50 ms'),
  crashes: (file) => crashes(troupe(file, 'crash', TTL), TTL, `mean ${TTL - TTL / 6}, at most ${TTL * 1.05 + 50}`),
  stalls: (file) => stalls((i) => pairAt(`${file}-${i}`), TTL),
  freezes: (file) => freezes((i) => troupe(file, `freeze-${i}`, TTL), TTL),
  followers,
  many,
  crowd: (file) => crowd(() => open(file)),
}

/** As much as a lock in a table takes: one row, one condition. */
const conditional = `INSERT INTO raw AS l VALUES (?, ?, ?)
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE l.until <= ? RETURNING holder`

/** A bid that wins, against one raw conditional write with the same client and the same settings. */
async function bids(file: string): Promise<void> {
  for (const driver of drivers) {
    if (!driver.available) continue
    const db = driver.open(file)
    db.exec('PRAGMA synchronous = FULL')
    const statement = db.prepare(conditional)
    const raw = async (i: number) => statement.all(driver.name, `h${i}`, 0, Date.now())
    await ratioOf(`bids, ${driver.name}`, raw, sqlite(driver.open(file)), 'at most 1.3')
  }
}

/** What it costs a follower to look whether anything has changed. */
async function looks(file: string): Promise<void> {
  const controller = new AbortController()
  const store = sqlite(openAny(file), { pollMs: 1 })
  await new Promise<void>((resolve) => {
    store.watch('e', resolve, controller.signal).catch(() => {})
  })
  const awake = setInterval(() => {}, 1000)
  const before = process.cpuUsage()
  const from = now()
  await sleep(5000)
  const { user, system } = process.cpuUsage(before)
  console.log(`looks every ms: ${(((user + system) / 1000 / (now() - from)) * 1000).toFixed(0)} µs of processor each, timer included`)
  clearInterval(awake)
  controller.abort()
}

/** The first finds the database locked for as long as it is stalled; the second has it for itself. */
async function pairAt(file: string) {
  let stalled = false
  const db = openAny(file)
  await sqlite(db).ensureSchema()
  const held: Opened = {
    prepare: (sql) => db.prepare(sql),
    exec(sql) {
      if (stalled && sql.startsWith('BEGIN')) throw Object.assign(new Error('database is locked'), { rawCode: 5 })
      return db.exec(sql)
    },
    close: () => db.close(),
  }
  return {
    stalled: sqlite(held),
    well: open(file),
    stall() {
      stalled = true
    },
    resume() {
      stalled = false
    },
    close: async () => void db.close(),
  }
}

/** What one follower asks in one ttl, while its leader renews. */
async function followers(file: string): Promise<void> {
  const ttlMs = 3000
  const leader = new Candidate({ election: 'idle', store: open(file), ttlMs })
  await leader.start()
  const calls: number[] = []
  const counted = (store: LeaseStore, i: number): LeaseStore => ({
    ...store,
    acquire(bid, signal) {
      calls[i] = (calls[i] ?? 0) + 1
      return store.acquire(bid, signal)
    },
  })
  const candidates = Array.from({ length: 20 }, (_, i) => new Candidate({ election: 'idle', ttlMs, store: counted(open(file), i) }))
  await Promise.all(candidates.map((candidate) => candidate.start()))
  await sleep(ttlMs)
  const before = [...calls]
  await sleep(12 * ttlMs)
  const each = candidates.map((_, i) => ((calls[i] ?? 0) - (before[i] ?? 0)) / 12)
  const range = `${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}`
  console.log(`calls of a follower per ttl, looks apart: mean ${mean(each).toFixed(2)}, ${range}; aim 1.3, at most 1.6`)
  await Promise.all([leader, ...candidates].map((candidate) => candidate.stop()))
}

/** Ten thousand candidates; transactions that write are counted where they begin, and the loop is watched. */
async function many(file: string): Promise<void> {
  const db = openAny(file)
  let begun = 0
  let since = 0
  const held: number[] = []
  const counting: Opened = {
    prepare: (sql) => db.prepare(sql),
    exec(sql) {
      if (sql === 'BEGIN IMMEDIATE') {
        begun += 1
        since = now()
      }
      const answer = db.exec(sql)
      if (sql === 'COMMIT' && since > 0) {
        held.push(now() - since)
        since = 0
      }
      return answer
    },
    close: () => db.close(),
  }
  await tenThousand(sqlite(counting), async () => {
    const told = `${begun} transactions that write, ${held.length > 0 ? spread(held) : 'none'}`
    begun = 0
    held.length = 0
    return told
  })
  const [size] = db.prepare('PRAGMA wal_checkpoint').all()
  const from = now()
  await open(file).read('many-1', patient)
  console.log(`a read beside them: ${ms(now() - from)}; checkpoint ${JSON.stringify(size)}`)
}

if (process.argv[2] === 'child') await stand(open(process.argv[3] ?? ''), process.argv[4] ?? '', Number(process.argv[5]))
else {
  const wanted = process.argv.slice(2)
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const dir = await mkdtemp(join(process.env['BENCH_DIR'] ?? tmpdir(), 'tenure-figures-'))
    const file = join(dir, 'app.db')
    const db = openAny(file)
    try {
      await sqlite(db).ensureSchema()
      db.exec('CREATE TABLE raw (name TEXT PRIMARY KEY NOT NULL, holder TEXT NOT NULL, until INTEGER NOT NULL) STRICT')
      await part(file)
    } finally {
      db.close()
      await rm(dir, { recursive: true, force: true })
    }
  }
}
