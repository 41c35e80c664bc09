/**
 * What the SQLite store has to get right, one scenario each, as data: run against the store as it is, where each has to
 * pass, and against stores with a planted fault, where the one that knows the fault has to fail.
 */

import { copyFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { expect } from 'vitest'
import { isInTransaction } from '../../../src/stores/sqlite/client.ts'
import type { SqliteStore } from '../../../src/stores/sqlite.ts'
import { type Bench, calm, isOurs, wins } from './bench.ts'

export interface Scenario {
  readonly name: string
  readonly run: (bench: Bench) => Promise<void>
}

const lock = (bench: Bench) => bench.operator.exec('BEGIN IMMEDIATE')
const unlock = (bench: Bench) => bench.operator.exec('COMMIT')
const unfit = (text: RegExp) => ({ code: 'store-unfit', message: expect.stringMatching(text) })

/** A watch that is in place, and how often it has called. */
async function watching(store: SqliteStore, election = 'e') {
  const controller = new AbortController()
  let placed = () => {}
  const inPlace = new Promise<void>((resolve) => {
    placed = resolve
  })
  const watch = {
    nudges: 0,
    async end() {
      controller.abort()
      await ended
    },
  }
  const changed = () => {
    watch.nudges += 1
    placed()
  }
  const ended = store.watch(election, changed, controller.signal)
  await Promise.race([inPlace, ended])
  return watch
}

const underTheLock: readonly Scenario[] = [
  {
    name: 'a bid that found it free looks again under the lock',
    async run(bench) {
      const rival = bench.bid()
      let armed = true
      const slow = bench.hooked((sql) => {
        if (sql !== 'BEGIN IMMEDIATE' || !armed) return
        armed = false
        // Another process, between the look and the lock.
        const { holder, candidate } = rival
        bench.operator
          .prepare("INSERT INTO tenure_lease VALUES ('e', ?, ?, NULL, 5, 1000, 0, ?, ?, 1, 1)")
          .run(holder, candidate, bench.clock.mono() * 1000 + 1_000_000, clockName)
      })
      const other = bench.store()
      const probe = bench.bid('probe')
      await wins(other, probe)
      const clockName = String(bench.row('probe')['clock'])
      const lease = await bench.store({ db: slow }).acquire(bench.bid(), calm())
      expect(lease?.holder).toBe(rival.holder)
    },
  },
  {
    name: 'a refused bid and a look wait for no writer, and write nothing',
    async run(bench) {
      const bid = bench.bid()
      await wins(bench.store(), bid)
      const follower = bench.store()
      await follower.read('e', calm())
      const wal = () => statSync(`${bench.file}-wal`).size
      const [before, row] = [wal(), bench.row()]
      lock(bench)
      for (let i = 0; i < 10; i++) {
        expect((await bench.during(follower.acquire(bench.bid(), calm()), 10))?.holder).toBe(bid.holder)
        expect((await bench.during(follower.read('e', calm()), 10))?.holder).toBe(bid.holder)
      }
      unlock(bench)
      expect(wal()).toBe(before)
      expect(bench.row()).toEqual(row)
    },
  },
  {
    name: 'a renewal that waited for the lock until its lease was over is refused',
    async run(bench) {
      const store = bench.store()
      const bid = bench.bid()
      await wins(store, bid)
      await bench.pass(980)
      lock(bench)
      const renewal = store.renew(bid, calm())
      renewal.catch(() => {})
      await bench.pass(60)
      unlock(bench)
      expect(await bench.during(renewal, 200)).toBe(0)
    },
  },
  {
    name: 'a lease granted after waiting for the lock lives for its whole ttl',
    async run(bench) {
      const [a, b] = [bench.store(), bench.store()]
      const bid = bench.bid()
      await wins(a, bench.bid('warm'))
      lock(bench)
      const acquisition = a.acquire(bid, calm())
      acquisition.catch(() => {})
      await bench.pass(100)
      unlock(bench)
      const lease = await bench.during(acquisition, 200)
      expect(lease?.remainingMs).toBe(1000)
      await bench.pass(950)
      expect(isOurs(await b.acquire(bench.bid(), calm()), bid)).toBe(true)
    },
  },
  {
    name: 'a call that was given up while the database was locked never takes effect',
    async run(bench) {
      const store = bench.store()
      await wins(store, bench.bid('warm'))
      lock(bench)
      const controller = new AbortController()
      const answer = store.acquire(bench.bid(), controller.signal)
      answer.catch(() => {})
      await bench.pass(30)
      controller.abort(new Error('given up'))
      await expect(answer).rejects.toThrow('given up')
      unlock(bench)
      await bench.pass(100)
      expect(bench.row()).toBeUndefined()
      expect(bench.clock.pending).toBe(0)
    },
  },
  {
    name: 'who cannot have the lock is told so, before the caller gives up',
    async run(bench) {
      const store = bench.store()
      await wins(store, bench.bid('warm'))
      lock(bench)
      const answer = bench.during(store.acquire(bench.bid(), calm()), 1000 / 6)
      await expect(answer).rejects.toMatchObject({
        code: 'store-unreachable',
        message: expect.stringMatching(/acquire could not use .*app\.db for \d+ ms: it is locked by another writer/),
      })
      unlock(bench)
      await wins(store, bench.bid())
    },
  },
]

const settings: readonly Scenario[] = [
  {
    name: 'nothing ever waits inside SQLite, bids are durable, and settings are put back',
    async run(bench) {
      const told = (db: { prepare(sql: string): { all(): unknown[] } }) => [
        Object.values(db.prepare('PRAGMA busy_timeout').all()[0] as object)[0],
        Object.values(db.prepare('PRAGMA synchronous').all()[0] as object)[0],
      ]
      const begun: unknown[][] = []
      const db = bench.hooked((sql) => {
        if (sql.startsWith('BEGIN')) begun.push([sql, ...told(db)])
      })
      const durabilities: unknown[] = []
      for (const synchronous of [0, 1, 2, 3]) {
        db.exec('PRAGMA busy_timeout = 40')
        db.exec(`PRAGMA synchronous = ${synchronous}`)
        const store = bench.store({ db })
        const bid = bench.bid(`e${synchronous}`)
        await wins(store, bid)
        begun.length = 0
        await wins(store, bench.bid(`f${synchronous}`))
        await store.renew(bid, calm())
        await store.release(bid, calm())
        expect(told(db)).toEqual([40, synchronous])
        durabilities.push(begun.filter(([sql]) => sql === 'BEGIN IMMEDIATE').map(([, , told]) => told))
        lock(bench)
        await bench.during(
          store.acquire(bench.bid(), calm()).catch(() => {}),
          1000,
        )
        unlock(bench)
        expect(told(db)).toEqual([40, synchronous])
        expect(begun.filter(([sql, timeout]) => sql !== undefined && timeout !== 0)).toEqual([])
      }
      // A bid is on disk, renewal and release are in order.
      expect(durabilities).toEqual([
        [2, 1, 1],
        [2, 1, 1],
        [2, 1, 1],
        [3, 1, 1],
      ])
    },
  },
  {
    name: 'a transaction of the user’s on the same connection is waited for, and cannot undo a lease',
    async run(bench) {
      const db = bench.open()
      const store = bench.store({ db })
      await wins(store, bench.bid('warm'))
      db.exec('CREATE TABLE theirs (a) STRICT'.replace('(a)', '(a TEXT)'))
      db.exec('BEGIN')
      db.exec("INSERT INTO theirs VALUES ('x')")
      const bid = bench.bid()
      const answer = store.acquire(bid, calm())
      answer.catch(() => {})
      await bench.pass(50)
      db.exec('ROLLBACK')
      expect(isOurs(await bench.during(answer, 200), bid)).toBe(true)
      db.exec('BEGIN')
      const renewal = bench.during(store.renew(bid, calm()), 500)
      await expect(renewal).rejects.toMatchObject({ message: expect.stringMatching(/yours is open on this connection.*of its own/) })
      db.exec('ROLLBACK')
      expect(bench.row()['holder']).toBe(bid.holder)
      expect(await store.renew(bid, calm())).toBe(1000)
    },
  },
]

const looking: readonly Scenario[] = [true, false].map((said) => ({
  name: said
    ? 'a look sees nothing of a transaction of the user’s, and nothing that is older'
    : 'the same where the connection does not say whether one is open',
  async run(bench) {
    const db = said ? bench.open() : bench.hooked(() => {})
    const store = bench.store({ db })
    await wins(store, bench.bid('warm'))
    db.exec('BEGIN')
    db.prepare('SELECT 1 FROM tenure_lease').all()
    // Another leads by now; the transaction was begun before.
    const bid = bench.bid()
    await wins(bench.store(), bid)
    const look = store.read('e', calm())
    look.catch(() => {})
    await bench.pass(20)
    db.exec('ROLLBACK')
    expect((await bench.during(look, 100))?.holder).toBe(bid.holder)
    db.exec('BEGIN')
    await expect(bench.during(store.read('e', calm()), 500)).rejects.toMatchObject({ message: expect.stringMatching(/yours is open/) })
    db.exec('ROLLBACK')
  },
}))

const clocks: readonly Scenario[] = [
  {
    name: 'a lease of another boot is over for who has seen it unchanged for its ttl, and not before',
    async run(bench) {
      const bid = bench.bid()
      const { fencingToken } = await wins(bench.store(), bid)
      // As if its instants were long past, and as if they were far ahead.
      for (const expiry of [5, 1e15]) {
        bench.operator.prepare("UPDATE tenure_lease SET clock = 'boot other', expires_at = ?").run(expiry)
        const follower = bench.store()
        for (let i = 0; i < 4; i++) {
          expect((await follower.acquire(bench.bid(), calm()))?.holder).toBe(bid.holder)
          await bench.pass(240)
        }
        bench.operator.exec("UPDATE tenure_lease SET expires_at = expires_at + 1000, clock = 'boot other'")
        expect((await follower.acquire(bench.bid(), calm()))?.remainingMs).toBe(1000)
        await bench.pass(990)
        expect(isOurs(await follower.read('e', calm()), bid)).toBe(true)
        await bench.pass(10)
        expect(await follower.read('e', calm())).toBeUndefined()
      }
      const next = bench.store()
      await next.acquire(bench.bid(), calm())
      await bench.pass(1000)
      expect((await wins(next, bench.bid())).fencingToken).toBeGreaterThan(fencingToken)
    },
  },
  {
    name: 'a lease further ahead than its ttl goes by observation',
    async run(bench) {
      const bid = bench.bid()
      await wins(bench.store(), bid)
      bench.operator.exec('UPDATE tenure_lease SET expires_at = expires_at + 3600000000')
      const follower = bench.store()
      expect((await follower.acquire(bench.bid(), calm()))?.remainingMs).toBe(1000)
      await bench.pass(1000)
      await wins(follower, bench.bid())
    },
  },
  {
    name: 'a renewal of a lease that is of another clock is refused',
    async run(bench) {
      const store = bench.store()
      const bid = bench.bid()
      await wins(store, bid)
      bench.operator.exec("UPDATE tenure_lease SET clock = 'boot other'")
      expect(await store.renew(bid, calm())).toBe(0)
    },
  },
  {
    name: 'a released lease is free whatever clock it was of',
    async run(bench) {
      const store = bench.store()
      const bid = bench.bid()
      await wins(store, bid)
      await store.release(bid, calm())
      bench.operator.exec("UPDATE tenure_lease SET clock = 'boot other'")
      await wins(bench.store(), bench.bid())
    },
  },
  {
    name: 'a wall clock that was stepped back ends nothing, and tokens grow',
    async run(bench) {
      const store = bench.store()
      const bid = bench.bid()
      const { fencingToken } = await wins(store, bid)
      bench.clock.stepWall(-3_600_000)
      expect((await bench.store().acquire(bench.bid(), calm()))?.holder).toBe(bid.holder)
      await bench.pass(1000)
      const next = await wins(bench.store(), bench.bid())
      expect(next.fencingToken).toBe(fencingToken + 1)
    },
  },
]

/** What can be done to the files under a leader. */
const removals: readonly (readonly [string, (file: string) => void])[] = [
  [
    'deleted',
    (file) => {
      for (const part of ['', '-wal', '-shm']) rmSync(file + part)
    },
  ],
  [
    'replaced by a copy',
    (file) => {
      copyFileSync(file, `${file}.copy`)
      renameSync(`${file}.copy`, file)
    },
  ],
  ['robbed of its WAL', (file) => rmSync(`${file}-wal`)],
  ['robbed of its shared memory', (file) => rmSync(`${file}-shm`)],
]

const places: readonly Scenario[] = removals.map(([how, remove]) => ({
  name: `a file that is ${how} under a leader: told at the next look, refused, and unfit for everything else`,
  async run(bench) {
    const store = bench.store()
    const bid = bench.bid()
    await wins(store, bid)
    const watch = await watching(store)
    await bench.pass(100)
    remove(bench.file)
    await bench.pass(50)
    expect(watch.nudges).toBe(2)
    await bench.pass(500)
    expect(watch.nudges).toBe(2)
    expect(await store.renew(bid, calm())).toBe(0)
    await expect(store.acquire(bench.bid(), calm())).rejects.toMatchObject(unfit(/deleted or replaced while it was open/))
    await expect(store.read('e', calm())).rejects.toMatchObject(unfit(/app\.db/))
    await watch.end()
  },
}))

const moving: readonly Scenario[] = [
  {
    name: 'a file that is replaced in the middle of a bid makes no leader',
    async run(bench) {
      let armed = false
      let writes = false
      const db = bench.hooked((sql) => {
        if (sql === 'COMMIT' && writes && armed) renameSync(bench.file, `${bench.file}.old`)
        writes = sql === 'BEGIN IMMEDIATE'
      })
      const store = bench.store({ db })
      await wins(store, bench.bid('warm'))
      armed = true
      await expect(store.acquire(bench.bid(), calm())).rejects.toMatchObject(unfit(/deleted or replaced/))
    },
  },
  {
    name: 'a file that was replaced before the store was made is refused',
    async run(bench) {
      const db = bench.open()
      db.prepare('SELECT 1 FROM tenure_lease').all()
      renameSync(bench.file, `${bench.file}.old`)
      for (const part of ['-wal', '-shm']) renameSync(`${bench.file}${part}`, `${bench.file}.old${part}`)
      for (const part of ['', '-wal', '-shm']) copyFileSync(`${bench.file}.old${part}`, bench.file + part)
      await expect(bench.store({ db }).acquire(bench.bid(), calm())).rejects.toMatchObject(unfit(/deleted or replaced/))
    },
  },
]

const watches: readonly Scenario[] = [
  {
    name: 'a change of hands elsewhere is told at the next look, a renewal is not',
    async run(bench) {
      const [leader, follower] = [bench.store(), bench.store({ pollMs: 40 })]
      const watch = await watching(follower)
      const other = await watching(follower, 'other')
      await bench.pass(100)
      expect([watch.nudges, other.nudges]).toEqual([1, 1])
      const bid = bench.bid()
      await wins(leader, bid)
      await bench.pass(45)
      expect(watch.nudges).toBe(2)
      for (let i = 0; i < 5; i++) {
        await leader.renew(bid, calm())
        await bench.pass(45)
      }
      expect(watch.nudges).toBe(2)
      await leader.release(bid, calm())
      await leader.release(bid, calm())
      await bench.pass(35)
      expect(watch.nudges).toBe(3)
      await bench.pass(200)
      expect([watch.nudges, other.nudges]).toEqual([3, 1])
      await watch.end()
      await other.end()
      expect(bench.clock.pending).toBe(0)
    },
  },
  {
    name: 'those of the same store are told without waiting for the next look',
    async run(bench) {
      const store = bench.store({ pollMs: 60_000 })
      const watch = await watching(store)
      const bid = bench.bid()
      await wins(store, bid)
      await store.release(bid, calm())
      await bench.pass(1)
      expect(watch.nudges).toBe(3)
      await watch.end()
    },
  },
  {
    name: 'rows that an operator deletes are news to all, and a locked database ends no watch',
    async run(bench) {
      const store = bench.store()
      await wins(store, bench.bid())
      const watch = await watching(bench.store())
      lock(bench)
      await bench.pass(200)
      unlock(bench)
      expect(watch.nudges).toBe(1)
      bench.operator.exec('DELETE FROM tenure_lease')
      await bench.pass(60)
      expect(watch.nudges).toBe(2)
      await watch.end()
    },
  },
]

const crowd: readonly Scenario[] = [
  {
    name: 'a row of another format is left alone, and its neighbours are not concerned',
    async run(bench) {
      const store = bench.store()
      bench.operator.exec("INSERT INTO tenure_lease VALUES ('f', 'them', 'them', NULL, 5, 1000, 0, 9e15, 'x', 1, 2)")
      const bids = ['e', 'f', 'g'].map((election) => bench.bid(election))
      const outcomes = await Promise.allSettled(bids.map((bid) => store.acquire(bid, calm())))
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      await expect(store.acquire(bench.bid('f'), calm())).rejects.toMatchObject(unfit(/row of `f`.*expected format 1/))
      await expect(store.read('f', calm())).rejects.toMatchObject(unfit(/format/))
      await store.release({ election: 'f', holder: 'them' }, calm())
      expect(await store.renew({ ...bench.bid('f'), holder: 'them' }, calm())).toBe(0)
      expect(bench.row('f')).toMatchObject({ holder: 'them', format: 2 })
    },
  },
  {
    name: 'many renewals of one turn are few transactions, and each has its own answer',
    async run(bench) {
      let begun = 0
      const db = bench.hooked((sql) => {
        if (sql === 'BEGIN IMMEDIATE') begun += 1
      })
      const store = bench.store({ db })
      const bids = Array.from({ length: 1000 }, (_, i) => bench.bid(`e${i}`))
      const leases = await Promise.all(bids.map((bid) => store.acquire(bid, calm())))
      expect(leases.every((lease, i) => lease?.holder === bids[i]?.holder)).toBe(true)
      bench.operator.exec("DELETE FROM tenure_lease WHERE name = 'e500'")
      begun = 0
      const granted = await Promise.all(bids.map((bid, i) => store.renew({ ...bid, ttlMs: 1000 + i }, calm())))
      expect(begun).toBe(2)
      expect(granted).toEqual(bids.map((_, i) => (i === 500 ? 0 : 1000 + i)))
    },
  },
  {
    name: 'a table that is dropped is missed in plain words, and found when it is there again',
    async run(bench) {
      const db = bench.open()
      const store = bench.store({ db })
      const bid = bench.bid()
      await wins(store, bid)
      bench.operator.exec('DROP TABLE tenure_lease')
      const missing = unfit(/no such table: main\.tenure_lease.*ensureSchema\(\).*tenure ddl/)
      await expect(bench.during(store.renew(bid, calm()), 500)).rejects.toMatchObject(missing)
      await expect(bench.during(store.acquire(bench.bid(), calm()), 500)).rejects.toMatchObject(missing)
      expect(isInTransaction(db)).toBe(false)
      await store.ensureSchema()
      expect(await store.renew(bid, calm())).toBe(0)
      await wins(store, bench.bid())
    },
  },
  {
    name: 'a full disk is said in plain words, ends nothing that is written, and is over when there is room',
    async run(bench) {
      const db = bench.open()
      const store = bench.store({ db })
      const bid = bench.bid()
      await wins(store, bid)
      const [{ page_count: pages }] = db.prepare('PRAGMA page_count').all() as [{ page_count: number }]
      db.exec(`PRAGMA max_page_count = ${pages}`)
      const big = (election: string) => bench.bid(election, { advert: 'x'.repeat(1000) })
      const full = Promise.all(Array.from({ length: 40 }, (_, i) => store.acquire(big(`full-${i}`), calm())))
      await expect(full).rejects.toMatchObject({ code: 'store-unreachable', message: expect.stringMatching(/disk is full/) })
      expect(await store.renew(bid, calm())).toBe(1000)
      db.exec('PRAGMA max_page_count = 1000000')
      await wins(store, big('full-1'))
    },
  },
]

export const scenarios: readonly Scenario[] = [
  ...underTheLock,
  ...settings,
  ...looking,
  ...clocks,
  ...places,
  ...moving,
  ...watches,
  ...crowd,
]

/** Run one against a store, whatever becomes of it. */
export async function play(scenario: Scenario, open: () => Promise<Bench>): Promise<void> {
  const bench = await open()
  try {
    await scenario.run(bench)
  } finally {
    await bench.close()
  }
}
