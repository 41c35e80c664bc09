/** The tables in the file: how to make them, and whether what is there can be trusted with a lease. */

import { TenureError } from '../../errors.ts'
import { FORMAT } from '../shared/sql.ts'
import type { Connection, Limits } from './connection.ts'

/** Instants are microseconds of the clock that `clock` names; `news` counts changes of hands, so that others find them. */
const lease = `CREATE TABLE IF NOT EXISTS tenure_lease (
  name TEXT PRIMARY KEY NOT NULL,
  holder TEXT NOT NULL,
  candidate TEXT NOT NULL,
  advert TEXT,
  token INTEGER NOT NULL,
  ttl_ms INTEGER NOT NULL,
  acquired_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  clock TEXT NOT NULL,
  news INTEGER NOT NULL,
  format INTEGER NOT NULL DEFAULT ${FORMAT}
) STRICT, WITHOUT ROWID`

const index = 'CREATE INDEX IF NOT EXISTS tenure_lease_news ON tenure_lease (news)'

const memo = `CREATE TABLE IF NOT EXISTS tenure_memo (
  name TEXT PRIMARY KEY NOT NULL,
  text TEXT NOT NULL
) STRICT, WITHOUT ROWID`

const fence = `CREATE TABLE IF NOT EXISTS tenure_fence (
  resource TEXT PRIMARY KEY NOT NULL,
  token INTEGER NOT NULL
) STRICT, WITHOUT ROWID`

const wal = 'PRAGMA journal_mode = WAL'

const objects = [lease, index, memo, fence]

/** The SQL that turns on WAL and makes the tables; `tenure_fence` is for `fenced`. What is there is left alone. */
export const ddl: string = [wal, ...objects].map((text) => `${text};\n`).join('\n')

const columns = 'name holder candidate advert token ttl_ms acquired_at expires_at clock news format'.split(' ')

const advice = 'Call ensureSchema() of the store once, or run the SQL that `tenure ddl --store sqlite:...` prints'

/** Make what is missing. Several processes may do so at once; where nothing is missing, nothing is written. */
export async function makeTables(connection: Connection, limits: Limits): Promise<void> {
  await connection.outside(limits, () => {
    if (connection.all('PRAGMA main.journal_mode')[0]?.[0] !== 'wal') connection.all(wal)
  })
  const names = "'tenure_lease', 'tenure_lease_news', 'tenure_memo', 'tenure_fence'"
  const found = await connection.read(limits, () => connection.all(`SELECT name FROM main.sqlite_schema WHERE name IN (${names})`).length)
  if (found === objects.length) return
  await connection.write(limits, 'durable', () => {
    for (const sql of objects) connection.exec(sql)
  })
}

/** Throw where leases cannot be kept; inside of a task. */
export function checkTable(connection: Connection, file: string): void {
  const fail = (what: string): never => {
    throw new TenureError('store-unfit', `sqlite: cannot use ${file}: ${what}`)
  }
  const one = (sql: string) => connection.all(sql)[0]?.[0]
  const mode = one('PRAGMA main.journal_mode')
  if (mode !== 'wal') fail(`its journal_mode is ${mode}, so that readers and writers would lock each other out. ${advice}`)
  if (one('PRAGMA main.locking_mode') === 'exclusive') fail('this connection keeps it locked (locking_mode = EXCLUSIVE)')
  const kind = one("SELECT type FROM main.sqlite_schema WHERE name = 'tenure_lease'")
  if (kind === undefined) fail(`the table tenure_lease is missing. ${advice}`)
  const info = connection.all("SELECT name, pk FROM pragma_table_info('tenure_lease', 'main')")
  const keys = info.filter(([, pk]) => pk !== '0').map(([name]) => name)
  const ours = columns.every((column) => info.some(([name]) => name === column)) && keys.join() === 'name'
  if (kind !== 'table' || !ours) fail('there is a table tenure_lease that is not ours. Rename it, or use another file')
}
