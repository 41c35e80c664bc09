/** What `tenure doctor` tells about a Postgres server. Reads, and writes nothing. */

import { type Clock, systemClock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { within } from '../shared/bounded.ts'
import type { Examination, Fact, Finding } from '../shared/examination.ts'
import type { Statement } from '../shared/sql.ts'
import { driverOf, type PostgresClient } from './connections.ts'
import { Line, type LineParts } from './line.ts'
import { arrayOf } from './rows.ts'
import type { Row, Session } from './session.ts'

/** Each is asked for by name, and told as text. */
const questions = {
  version: "current_setting('server_version')",
  table:
    "(SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('tenure_lease'))",
  memo: "to_regclass('tenure_memo')::text",
  memoRights: rightsOn('tenure_memo'),
  persistence: "(SELECT relpersistence::text FROM pg_class WHERE oid = to_regclass('tenure_lease'))",
  rights: rightsOn('tenure_lease'),
  fsync: "current_setting('fsync')",
  fullPages: "current_setting('full_page_writes')",
  commit: "current_setting('synchronous_commit')",
  synchronous: "current_setting('synchronous_standby_names')",
  standbys: '(SELECT count(*)::text FROM pg_stat_replication)',
  readOnly: "current_setting('default_transaction_read_only')",
  idleTimeout: "current_setting('idle_session_timeout', true)",
  most: "current_setting('max_connections')",
  used: "(SELECT count(*)::text FROM pg_stat_activity WHERE backend_type = 'client backend')",
} as const

/** Whether all rights that are needed on a table are there; `NULL` where it is missing. */
function rightsOn(table: string): string {
  const each = ['SELECT', 'INSERT', 'UPDATE'].map((right) => `has_table_privilege('${table}', '${right}')`)
  return `CASE WHEN to_regclass('${table}') IS NOT NULL THEN (${each.join(' AND ')})::text END`
}

export type Answers = Readonly<Record<keyof typeof questions, string | null>>

const statement: Statement = { name: 'tenure_examine', text: `SELECT ${Object.values(questions).join(', ')}` }

const EXAMINE_MS = 10_000

/** Rejects like the store where the server cannot be reached. */
export async function examine(client: PostgresClient, signal: AbortSignal, clock: Clock = systemClock): Promise<Examination> {
  const store = 'postgres'
  const { answers, session } = await askServer({ store, clock, driver: driverOf(client, { store, clock, sessions: 2 }) }, signal)
  const findings = [...unfit(answers, session), ...doubtful(answers), ...notes(answers, session)]
  return { level: levelOf(answers), facts: factsOf(answers, session), findings }
}

/** Ask what both stores of this server want to know, and, on the same session, something more. */
export async function askServer<More = undefined>(
  parts: LineParts,
  signal: AbortSignal,
  more?: (session: Session) => Promise<More>,
): Promise<{ readonly answers: Answers; readonly session: Session; readonly more: More | undefined }> {
  const line = new Line(parts)
  const ask = async (session: Session) => {
    const [row = []] = await session.query(statement, [])
    return { answers: answersOf(row), session, more: await more?.(session) }
  }
  return line.use({ verb: 'examine', signal, limitMs: EXAMINE_MS }, ask).finally(() => line.close())
}

function answersOf(row: Row): Answers {
  return Object.fromEntries(Object.keys(questions).map((name, index) => [name, row[index] ?? null])) as Answers
}

function levelOf({ persistence, fsync, fullPages, standbys, synchronous }: Answers): Examination['level'] {
  if (persistence !== null && persistence !== 'p') return 'C'
  const durable = fsync === 'on' && fullPages === 'on'
  return durable && standbys === '0' && synchronous === '' ? 'A' : 'B'
}

export function factsOf(answers: Answers, { pooled }: Session): Fact[] {
  return [
    { name: 'version', value: answers.version ?? 'unknown' },
    { name: 'table', value: answers.table ?? 'missing' },
    { name: 'fsync', value: answers.fsync ?? 'unknown' },
    { name: 'synchronous_commit', value: answers.commit ?? 'unknown' },
    { name: 'standbys', value: answers.standbys ?? 'unknown' },
    { name: 'connections', value: `${answers.used} of ${answers.most}` },
    { name: 'releases', value: pooled ? 'found by polling' : 'told by LISTEN' },
  ]
}

export function unfit({ table, persistence, rights, readOnly }: Answers, { recovering }: Session): Finding[] {
  const findings: Finding[] = []
  const error = (message: string, advice: string) => findings.push({ severity: 'error', message, advice })
  if (recovering) error('the server is a standby and takes no writes', 'connect to the primary')
  else if (readOnly === 'on') error('default_transaction_read_only is on', 'connect as a user, or to a database, that may write')
  if (table === null)
    error('the table tenure_lease is missing', 'run the SQL that `tenure ddl --store postgres://...` prints, or call ensureSchema() once')
  else if (persistence !== 'p') error(`${table} is unlogged: a crash empties it`, 'run ALTER TABLE tenure_lease SET LOGGED')
  if (rights === 'false') error(`the rights on ${table} do not suffice`, 'grant SELECT, INSERT and UPDATE')
  return findings
}

export function doubtful({ fsync, fullPages, standbys, synchronous, most, used }: Answers): Finding[] {
  const findings: Finding[] = []
  const warning = (message: string, advice: string) => findings.push({ severity: 'warning', message, advice })
  if (fsync !== 'on') warning('fsync is off', 'after a crash of its host the server may forget who leads, and tokens may fall')
  if (fullPages !== 'on') warning('full_page_writes is off', 'a crash of the host may damage the table')
  if (standbys !== '0' || synchronous !== '') {
    warning(
      'a standby follows this server',
      'after a failover two may lead for up to a ttl, the token of a lease that was not replicated may be repeated: guard writes by the token',
    )
  }
  if (Number(most) - Number(used) < 10) warning(`${used} of ${most} connections are in use`, 'each process needs one, and at times two')
  return findings
}

/** Leases do without it: nothing that would make a server unfit. */
export function memoless({ table, memo, memoRights }: Answers): Finding[] {
  if (memoRights === 'false') {
    const advice = 'runOnce() is denied without them, elections are not; grant SELECT, INSERT and UPDATE'
    return [{ severity: 'warning', message: 'the rights on tenure_memo do not suffice', advice }]
  }
  if (table === null || memo !== null) return []
  const advice = 'only runOnce() needs it; run the SQL that `tenure ddl --store postgres://...` prints, or call ensureSchema() once'
  return [{ severity: 'info', message: 'the table tenure_memo is missing', advice }]
}

function notes(answers: Answers, { pooled }: Session): Finding[] {
  const { commit, idleTimeout } = answers
  const findings = memoless(answers)
  const info = (message: string, advice: string) => findings.push({ severity: 'info', message, advice })
  if (pooled)
    info('a pooler stands before the server', 'followers poll every retry interval; connect past it and a handover takes milliseconds')
  if (commit !== 'on' && commit !== 'remote_apply') info(`synchronous_commit is ${commit}`, 'bids and renewals turn it on for themselves')
  if (idleTimeout !== null && idleTimeout !== '0') {
    info(`idle_session_timeout is ${idleTimeout}`, 'it ends the connection that listens, which is then opened again; keep it above the ttl')
  }
  return findings
}

/**
 * Remove the rows of elections that were only tried. Where deleting is not allowed they stay: nobody holds them, but each
 * bears the format of the store that it was tried on, and is not to be tried on another kind of store.
 */
export async function forget(client: PostgresClient, elections: readonly string[], clock: Clock = systemClock): Promise<void> {
  const store = 'postgres'
  const line = new Line({ store, clock, driver: driverOf(client, { store, clock, sessions: 2 }) })
  const forgetting: Statement = {
    name: 'tenure_forget',
    text: 'DELETE FROM tenure_lease WHERE name = ANY($1::text[]) AND expires_at <= clock_timestamp()',
  }
  const run = (signal: AbortSignal) =>
    line.use({ verb: 'forget', signal, limitMs: EXAMINE_MS }, (session) => session.query(forgetting, [arrayOf(elections)]))
  try {
    await within(clock, EXAMINE_MS, run)
  } catch (thrown) {
    if (!(thrown instanceof TenureError) || thrown.code !== 'store-denied') throw thrown
  } finally {
    line.close()
  }
}
