/** What `tenure doctor` tells about a server whose advisory locks hold elections. Takes no lock, and writes nothing. */

import { type Clock, systemClock } from '../../clock.ts'
import { type Answers, askServer, doubtful, factsOf, memoless, unfit } from '../postgres/examine.ts'
import type { Session } from '../postgres/session.ts'
import type { Examination, Finding } from '../shared/examination.ts'
import type { Statement } from '../shared/sql.ts'
import { type AdvisoryClient, driverOf } from './client.ts'
import { MOST } from './crew.ts'
import { prepare, settle } from './terms.ts'

interface Terms {
  readonly version: number
  /** About how many locks the server has room for, and how many of these are taken by advisory locks. */
  readonly room: number
  readonly taken: number
  /** What the server has made of a ttl that it was told, in milliseconds. */
  readonly patienceMs: number | undefined
}

const locks: Statement = {
  name: 'tenure_advisory_examine',
  text: `SELECT current_setting('server_version_num'),
(current_setting('max_locks_per_transaction')::bigint * current_setting('max_connections')::bigint)::text,
(SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory')`,
}

/** The ttl by default: what is tried. */
const TTL_MS = 15_000
const LEAST_VERSION = 140_000

/** Rejects like the store where the server cannot be reached. */
export async function examine(client: AdvisoryClient, signal: AbortSignal, clock: Clock = systemClock): Promise<Examination> {
  const store = 'postgres-advisory'
  const driver = driverOf(client, { store, clock, sessions: MOST })
  const { answers, session, more } = await askServer({ store, clock, driver }, signal, (session) => termsOf(store, session))
  const facts = factsOf(answers, session).filter(({ name }) => name !== 'releases')
  if (more?.patienceMs !== undefined) facts.push({ name: 'patience for a ttl of 15 s', value: `${more.patienceMs} ms` })
  const findings = [...unfit(answers, session), ...unsound(session, more), ...doubtful(answers), ...notes(answers, more)]
  return { level: levelOf(answers, session, more), facts, findings }
}

async function termsOf(store: string, session: Session): Promise<Terms> {
  const [row = []] = await session.query(locks, [])
  const [version = 0, room = 0, taken = 0] = row.map(Number)
  // Through a pooler the settings would reach somebody else.
  if (session.pooled || version < LEAST_VERSION) return { version, room, taken, patienceMs: undefined }
  await prepare(store, session)
  return { version, room, taken, patienceMs: await settle(session, TTL_MS, 1000) }
}

/** Never A: whatever ends a session frees its locks while its leader may believe. */
function levelOf({ persistence }: Answers, { pooled }: Session, terms: Terms | undefined): Examination['level'] {
  const kept = persistence === null || persistence === 'p'
  return pooled || !kept || (terms?.version ?? 0) < LEAST_VERSION ? 'C' : 'B'
}

function unsound({ pooled }: Session, terms: Terms | undefined): Finding[] {
  const findings: Finding[] = []
  const error = (message: string, advice: string) => findings.push({ severity: 'error', message, advice })
  if (pooled)
    error('a pooler stands before the server, and a lock belongs to a session', 'connect past it, or use lease rows (postgres://)')
  if ((terms?.version ?? 0) < LEAST_VERSION)
    error('the server is older than Postgres 14', 'it never ends a session that went silent: use lease rows')
  return findings
}

function notes(answers: Answers, terms: Terms | undefined): Finding[] {
  const { most, used } = answers
  const findings = memoless(answers)
  if (Number(most) - Number(used) < 10 * MOST) {
    const advice = `each process needs two, and at times ${MOST}`
    findings.push({ severity: 'info', message: `${used} of ${most} connections are in use`, advice })
  }
  if (terms && terms.taken * 2 > terms.room) {
    const message = `${terms.taken} advisory locks are taken, of about ${terms.room} locks that the server has room for`
    findings.push({ severity: 'warning', message, advice: 'raise max_locks_per_transaction' })
  }
  const patienceMs = terms?.patienceMs
  if (patienceMs !== undefined && patienceMs < TTL_MS) {
    const message = `the server ends a session that was silent for ${patienceMs} ms, whatever it is told`
    findings.push({ severity: 'warning', message, advice: 'leases are granted for no longer than that' })
  }
  return findings
}
