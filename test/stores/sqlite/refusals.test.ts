/** Files, tables and connections that are not as they should be: one clear line each, and never a leader. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as subject from '../../../src/stores/sqlite.ts'
import { ddl, type SqliteDatabase, sqlite } from '../../../src/stores/sqlite.ts'
import { Bench, calm, isOurs, wins } from './bench.ts'
import { drivers } from './drivers.ts'

// No network filesystem can be had here, so that the question is answered for it.
vi.mock('../../../src/stores/shared/filesystem.ts', async (original) => {
  const real = await original<typeof import('../../../src/stores/shared/filesystem.ts')>()
  return {
    ...real,
    filesystemOf: async (path: string) => (path.includes('far-away') ? { kind: 'nfs', network: true } : real.filesystemOf(path)),
  }
})

const root = process.getuid?.() === 0
const unfit = (text: RegExp) => ({ code: 'store-unfit', message: expect.stringMatching(text) })

describe.each(drivers)('$name', (driver) => {
  describe.skipIf(!driver.available)('refuses', () => {
    let bench: Bench
    beforeEach(() => {
      bench = new Bench(subject, driver)
    })
    afterEach(() => bench.close())

    const refused = async (db: SqliteDatabase, expected: object) => {
      const store = sqlite(db)
      const bid = bench.bid()
      await expect(store.acquire(bid, calm())).rejects.toMatchObject(expected)
      await expect(store.read('e', calm())).rejects.toMatchObject(expected)
      await expect(store.renew(bid, calm())).rejects.toMatchObject(expected)
      await expect(store.watch('e', () => {}, calm())).rejects.toMatchObject(expected)
      await expect(store.list(calm())).rejects.toMatchObject(expected)
    }

    test('a database in memory', async () => {
      await refused(bench.open(':memory:'), unfit(/in memory is nobody else's: use a file.*memory\(\)/))
    })

    test('a file without the table, until it is made; making it twice, at once and later, is one', async () => {
      await refused(bench.open(), unfit(/app\.db: its journal_mode is delete.*ensureSchema\(\).*tenure ddl/))
      bench.operator.exec('PRAGMA journal_mode = WAL')
      await refused(bench.open(), unfit(/app\.db: the table tenure_lease is missing.*ensureSchema\(\).*tenure ddl/))
      const store = sqlite(bench.open())
      await Promise.all([store.ensureSchema(), sqlite(bench.open()).ensureSchema()])
      const size = statSync(`${bench.file}-wal`).size
      await store.ensureSchema()
      expect(statSync(`${bench.file}-wal`).size).toBe(size)
      await wins(store, bench.bid())
    })

    test('the printed SQL makes the same, and may be run twice', async () => {
      bench.operator.exec(ddl)
      bench.operator.exec(ddl)
      await wins(sqlite(bench.open()), bench.bid())
    })

    test('a connection that keeps the file locked', async () => {
      bench.operator.exec(ddl)
      await bench.close()
      bench = new Bench(subject, driver)
      bench.operator.exec(ddl)
      bench.operator.exec('PRAGMA locking_mode = EXCLUSIVE')
      await refused(bench.operator, unfit(/this connection keeps it locked/))
    })

    test.each([
      ['a table of that name', 'CREATE TABLE tenure_lease (name TEXT PRIMARY KEY, holder TEXT)'],
      ['a table with another key', ddl.replace('name TEXT PRIMARY KEY NOT NULL', 'name TEXT NOT NULL, id TEXT PRIMARY KEY NOT NULL')],
      ['a view of that name', "CREATE VIEW tenure_lease AS SELECT 'x' AS name"],
    ])('%s that is not ours, and leaves it alone', async (_, sql) => {
      bench.operator.exec('PRAGMA journal_mode = WAL')
      bench.operator.exec(sql)
      await refused(bench.open(), unfit(/there is a table tenure_lease that is not ours/))
    })

    test('nothing because of a table of that name elsewhere', async () => {
      bench.operator.exec(ddl)
      const db = bench.open()
      db.exec('CREATE TEMP TABLE tenure_lease (other TEXT)')
      await wins(sqlite(db), bench.bid())
      expect(bench.row()).toBeDefined()
    })

    test('a file on the network', async () => {
      mkdirSync(join(bench.dir, 'far-away'))
      const db = bench.open(join(bench.dir, 'far-away', 'app.db'))
      db.exec(ddl)
      await refused(db, unfit(/far-away.*network filesystem or a shared folder \(nfs\)\. Use a file on a local disk/))
    })

    test('to write where the connection may not', async () => {
      bench.operator.exec(ddl)
      const db = driver.name === 'libsql' ? bench.open() : driver.open(bench.file, true)
      if (driver.name === 'libsql') db.exec('PRAGMA query_only = ON')
      const store = sqlite(db)
      const denied = { code: 'store-denied', message: expect.stringMatching(/acquire failed in .*readonly.*Open it for writing/) }
      await expect(store.acquire(bench.bid(), calm())).rejects.toMatchObject(denied)
      expect(await store.read('e', calm())).toBeUndefined()
      db.close()
    })

    test('a file that is no database', async () => {
      const file = join(bench.dir, 'letter.db')
      writeFileSync(file, 'Dear reader, this is a letter and no database.'.repeat(100))
      const answer = (async () => sqlite(driver.open(file)).acquire(bench.bid(), calm()))()
      await expect(answer).rejects.toThrow(/not a database/)
    })

    test('a connection that was closed', async () => {
      bench.operator.exec(ddl)
      const db = driver.open(bench.file)
      const store = sqlite(db)
      const bid = bench.bid()
      await wins(store, bid)
      db.close()
      const closed = unfit(/keep it open until the last stop\(\)/)
      await expect(store.renew(bid, calm())).rejects.toMatchObject(closed)
      await expect(store.acquire(bench.bid(), calm())).rejects.toMatchObject(closed)
    })

    test('text that a driver would cut', async () => {
      bench.operator.exec(ddl)
      const store = sqlite(bench.open())
      for (const election of ['a\0b', 'half \ud83d']) {
        await expect(store.acquire(bench.bid(election), calm())).rejects.toMatchObject(unfit(/expected the election to be well-formed/))
        await expect(store.read(election, calm())).rejects.toMatchObject(unfit(/U\+0000/))
      }
    })

    test.skipIf(!root)('what does not fit on the disk, and goes on when it does (needs the rights of root)', async () => {
      const point = join(bench.dir, 'mount')
      mkdirSync(point)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', point])
      const db = driver.open(join(point, 'app.db'))
      try {
        db.exec(ddl)
        const store = sqlite(db)
        const bid = bench.bid('e', { ttlMs: 60_000 })
        await wins(store, bid)
        const ballast = join(point, 'ballast')
        await writeFile(ballast, Buffer.alloc(2_000_000)).catch(({ code }) => expect(code).toBe('ENOSPC'))
        const full = async () => {
          for (let i = 0; i < 100; i++) await store.acquire(bench.bid(`full-${i}`, { advert: 'x'.repeat(1000) }), calm())
        }
        await expect(full()).rejects.toMatchObject({ code: 'store-unreachable', message: expect.stringMatching(/disk/) })
        expect((await store.read('e', calm()))?.holder).toBe(bid.holder)
        await rm(ballast)
        expect(await store.renew(bid, calm())).toBe(60_000)
        const next = bench.bid('full-99')
        expect(isOurs(await store.acquire(next, calm()), next)).toBe(true)
      } finally {
        db.close()
        execFileSync('umount', ['-l', point])
      }
    })
  })
})

describe('options', () => {
  const db = { prepare: () => ({ all: () => [], run: () => {} }), exec: () => {} }
  test.each([
    [undefined, {}, 'Expected `db` to be a connection of node:sqlite, better-sqlite3 or libsql, got undefined'],
    ['/app.db', {}, 'Expected `db` to be a connection of node:sqlite, better-sqlite3 or libsql, got "/app.db" (string)'],
    [{ prepare: 1, exec: 2 }, {}, 'Expected `db` to be a connection'],
    [db, null, 'Expected `options` to be an object, got null'],
    [db, { poll: 1 }, 'Unknown option `poll`: expected one of pollMs, clock'],
    [db, { pollMs: 0 }, 'Expected `pollMs` to be a number of milliseconds from 1 to 60000, got 0 (number)'],
    [db, { pollMs: Number.NaN }, 'Expected `pollMs`'],
    [db, { pollMs: '50' }, 'Expected `pollMs`'],
    [db, { clock: {} }, 'Expected `clock` to be an object with the methods mono'],
  ])('%s with %s is refused', (given, options, message) => {
    expect(() => sqlite(given as never, options as never)).toThrow(message)
  })
})
