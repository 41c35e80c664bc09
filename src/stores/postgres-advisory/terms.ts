/**
 * The settings of a session that make its locks a lease. The server ends a session of which it has heard nothing for the
 * ttl, and never before: whoever believes for a ttl from its last statement is then never wrong. What the server has made
 * of the settings is read back, for managed servers fix some and Unix sockets know none of TCP.
 */

import { TenureError } from '../../errors.ts'
import { sqlState } from '../postgres/failures.ts'
import type { Session } from '../postgres/session.ts'
import type { Statement } from '../shared/sql.ts'

/** Our own connection: nothing else may end or hold up its statements, and no plan is made twice. */
const first: Statement = {
  name: 'tenure_advisory_first',
  text: `SELECT current_setting('server_version_num'), pg_backend_pid()::text, set_config('application_name', 'tenure', false),
set_config('default_transaction_isolation', 'read committed', false), set_config('plan_cache_mode', 'force_generic_plan', false),
set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
(SELECT count(set_config(name, '0', false)) FROM pg_settings
 WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout'))::text`,
}

/** A backend that waits for a lock does not look at its connection unless it is told to. */
const lookOut: Statement = {
  name: 'tenure_advisory_look_out',
  text: "SELECT set_config('client_connection_check_interval', '500', false)",
}

/** Takes the ttl in milliseconds, in seconds rounded up, and how long a lock of a row is waited for. */
const settings: Statement = {
  name: 'tenure_advisory_settings',
  text: `SELECT set_config('idle_session_timeout', $1, false), set_config('tcp_user_timeout', $1, false),
set_config('tcp_keepalives_idle', $2, false), set_config('tcp_keepalives_interval', '1', false), set_config('tcp_keepalives_count', '3', false),
set_config('lock_timeout', $3, false)`,
}

const readBack: Statement = {
  name: 'tenure_advisory_read_back',
  text: `SELECT name, setting FROM pg_settings
WHERE name IN ('idle_session_timeout', 'tcp_user_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count')`,
}

const LEAST_VERSION = 140_000

/** What never changes while a session lives. Resolves with its process id; rejects where it cannot be a lease. */
export async function prepare(store: string, session: Session): Promise<string> {
  const [row] = await session.query(first, [])
  if (!(Number(row?.[0]) >= LEAST_VERSION)) {
    throw new TenureError('store-unfit', `${store}: the server is older than Postgres 14, and never ends a session that went silent`)
  }
  try {
    await session.query(lookOut, [])
  } catch (thrown) {
    // Not on every system. A crash that happens while its waiter waits is then felt a little later.
    if (sqlState(thrown) === undefined) throw thrown
  }
  return row?.[1] ?? ''
}

/** Let the server end the session after this long a silence. Resolves with how long it will be patient, in milliseconds. */
export async function settle(session: Session, ttlMs: number, lockMs: number): Promise<number> {
  await session.query(settings, [String(ttlMs), String(Math.ceil(ttlMs / 1000)), String(lockMs)])
  const rows = await session.query(readBack, [])
  return patienceOf(new Map(rows.map(([name, setting]) => [name ?? '', Number(setting)])))
}

/** The shortest silence after which the server may end the session; settings of 0 end nothing, or nothing so early. */
export function patienceOf(has: ReadonlyMap<string, number>): number {
  const of = (name: string) => has.get(name) ?? 0
  const idleMs = of('tcp_keepalives_idle') * 1000
  const probedMs = idleMs === 0 ? 0 : idleMs + of('tcp_keepalives_interval') * of('tcp_keepalives_count') * 1000
  return Math.min(...[of('idle_session_timeout'), of('tcp_user_timeout'), probedMs].filter((ms) => ms > 0))
}
