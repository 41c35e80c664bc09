/** What `tenure doctor` tells about a SQLite file. Reads, and writes nothing. */

import { statSync } from 'node:fs'
import { type Clock, systemClock } from '../../clock.ts'
import { within } from '../shared/bounded.ts'
import type { Examination, Fact, Finding } from '../shared/examination.ts'
import { type Filesystem, filesystemOf } from '../shared/filesystem.ts'
import { checkDatabase, type SqliteDatabase } from './client.ts'
import { Connection } from './connection.ts'
import { era } from './era.ts'

const EXAMINE_MS = 10_000
/** So many bytes of WAL are more than regular checkpoints leave. */
const LARGE_WAL = 64 * 1024 * 1024

interface Answers {
  readonly file: string
  readonly version: string
  readonly mode: string
  readonly locking: string
  readonly synchronous: string
  readonly table: boolean
  readonly memo: boolean
}

/** Rejects like the store where the file cannot be read. */
export async function examine(db: SqliteDatabase, signal: AbortSignal, clock: Clock = systemClock): Promise<Examination> {
  checkDatabase(db)
  const connection = new Connection(db, clock)
  const answers = await connection.outside({ verb: 'examine', signal, busyMs: EXAMINE_MS }, () => ask(connection))
  const { file, mode, table, version } = answers
  const filesystem = file === '' ? undefined : await filesystemOf(file)
  const walBytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const comparable = (await era()).startsWith('boot')
  const findings = [...unfit(answers, filesystem), ...notes(answers, walBytes, comparable)]
  const facts: readonly Fact[] = [
    { name: 'file', value: file || 'in memory' },
    { name: 'filesystem', value: filesystem?.kind ?? 'none' },
    { name: 'version', value: version },
    { name: 'journal_mode', value: mode },
    { name: 'table', value: table ? 'tenure_lease' : 'missing' },
    { name: 'releases', value: 'found by polling' },
  ]
  return { level: filesystem === undefined || filesystem.network ? 'C' : 'A', facts, findings }
}

function ask(connection: Connection): Answers {
  const one = (sql: string) => connection.all(sql)[0]?.[0] ?? ''
  const has = (table: string) => one(`SELECT name AS a FROM main.sqlite_schema WHERE name = '${table}'`) !== ''
  return {
    file: one("SELECT file AS a FROM pragma_database_list WHERE name = 'main'"),
    version: one('SELECT sqlite_version() AS a'),
    mode: one('PRAGMA main.journal_mode'),
    locking: one('PRAGMA main.locking_mode'),
    synchronous: one('SELECT synchronous AS a FROM pragma_synchronous'),
    table: has('tenure_lease'),
    memo: has('tenure_memo'),
  }
}

function unfit({ file, mode, locking, table }: Answers, filesystem: Filesystem | undefined): Finding[] {
  const findings: Finding[] = []
  const error = (message: string, advice: string) => findings.push({ severity: 'error', message, advice })
  if (file === '') error('the database is in memory', 'use a file: nobody else sees this one')
  if (filesystem?.network) error(`${file} is on ${filesystem.kind}, which other machines may share`, 'use a file on a local disk')
  if (mode !== 'wal') error(`journal_mode is ${mode}`, 'run PRAGMA journal_mode = WAL, or call ensureSchema() once')
  if (locking === 'exclusive') error('this connection keeps the file locked', 'run PRAGMA locking_mode = NORMAL')
  if (!table)
    error('the table tenure_lease is missing', 'run the SQL that `tenure ddl --store sqlite:...` prints, or call ensureSchema() once')
  return findings
}

function notes({ synchronous, table, memo }: Answers, walBytes: number, comparable: boolean): Finding[] {
  const findings: Finding[] = []
  const note = (severity: Finding['severity'], message: string, advice: string) => findings.push({ severity, message, advice })
  if (walBytes > LARGE_WAL) {
    const size = `${Math.round(walBytes / 1024 / 1024)} MB`
    note('warning', `the WAL has ${size}`, 'a reader that never ends keeps it from being written back, and a commit may take long then')
  }
  if (Number(synchronous) < 2) note('info', `synchronous is ${synchronous} on this connection`, 'bids set FULL for themselves')
  if (table && !memo) {
    const advice = 'only runOnce() needs it; run the SQL that `tenure ddl --store sqlite:...` prints, or call ensureSchema() once'
    note('info', 'the table tenure_memo is missing', advice)
  }
  if (!comparable)
    note('info', 'this system does not tell one boot from another', 'after a crash others wait for a whole ttl from when they look')
  return findings
}

/**
 * Remove the rows of elections that were only tried, as far as they are released.
 */
export async function forget(db: SqliteDatabase, elections: readonly string[], clock: Clock = systemClock): Promise<void> {
  const connection = new Connection(db, clock)
  const forgetting = 'DELETE FROM main.tenure_lease WHERE name IN (SELECT value FROM json_each(?)) AND expires_at = 0'
  await within(clock, EXAMINE_MS, (signal) =>
    connection.write({ verb: 'forget', signal, busyMs: EXAMINE_MS }, 'ordered', () =>
      connection.run(forgetting, JSON.stringify(elections)),
    ),
  )
}
