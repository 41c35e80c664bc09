/** Compiled, never run: the connections of the real packages fit what the SQLite store asks of one. */

import { DatabaseSync } from 'node:sqlite'
import type BetterSqlite3 from 'better-sqlite3'
import Libsql from 'libsql'
import { fenced, type SqliteDatabase, type SqliteStore, sqlite } from '../../src/stores/sqlite.ts'

class DatabaseOfTheirs extends DatabaseSync {}

export function stores(better: BetterSqlite3.Database): readonly SqliteStore[] {
  const all: readonly SqliteDatabase[] = [
    new DatabaseSync('app.db'),
    new DatabaseSync('app.db', { timeout: 1000 }),
    new DatabaseOfTheirs('app.db'),
    new Libsql('app.db'),
    new Libsql('app.db', { timeout: 1000 }),
    better,
  ]
  better.transaction(() => fenced(better, 'report', 1)).immediate()
  return [...all.map((db) => sqlite(db)), sqlite(better, { pollMs: 20 }), sqlite(new Libsql('app.db'), {})]
}
