/**
 * `postgres://` for `connect.ts`: the lease rows, through whichever client package the user has. What the advisory lock
 * needs of the packages, too, is here.
 */

import { describeValue, maskSecrets, TenureError } from '../errors.ts'
import type { LeaseStore } from '../index.ts'
import { forget } from '../stores/postgres/examine.ts'
import { ddl, examine, type PgPool, type PostgresClient, type PostgresJs, type PostgresStore, postgres } from '../stores/postgres.ts'
import type { Examination } from '../stores/shared/examination.ts'
import { checkUrl } from './check-url.ts'
import type { Address, Connected, Examined } from './connected.ts'
import { examinedOf } from './examined.ts'
import { misconfigured, Refusal } from './exit-codes.ts'
import { importClient } from './import-client.ts'
import { cleaned, noting } from './rehearsal.ts'

/** How long a doctor waits for the server. */
const PATIENCE_MS = 10_000
/** How long connecting may take, in milliseconds. */
const CONNECT_MS = 5000
/** Two for the store, and one beside. */
const CONNECTIONS = 3

/** Has no parameters of its own. */
export async function openPostgres({ url, own }: Address): Promise<Connected> {
  for (const name of own.keys()) throw misconfigured(`postgres: has no parameter ${describeValue(name)}`)
  checkUrl(url)
  const { client, end } = await clientOf(url)
  const store = opened(client)
  return {
    store,
    where: maskSecrets(url),
    ddl,
    examine: () => examinedBy((signal) => examine(client, signal)),
    rehearse: (use) => rehearse(client, store, use),
    async close() {
      await store.close()
      await end()
    },
  }
}

interface Opened {
  readonly client: PostgresClient
  end(): Promise<unknown>
}

export interface Pg {
  readonly Pool: new (options: object) => PgPool & { end(): Promise<unknown>; on(event: 'error', listener: () => void): unknown }
}

export type MakePostgresJs = (url: string, options: object) => PostgresJs & { end(options: object): Promise<void> }

async function clientOf(url: string): Promise<Opened> {
  const packages = await packageOf('postgres')
  if ('pg' in packages) return poolOf(packages.pg, url, CONNECTIONS)
  // Its question for types, asked of each new connection, ends the process where the server is lost meanwhile.
  const client = packages.js(url, { max: CONNECTIONS, connect_timeout: CONNECT_MS / 1000, onnotice: () => {}, fetch_types: false })
  return { client, end: () => client.end({ timeout: 1 }) }
}

/** The client package of the user: pg, or else postgres.js. Where neither is there, the first is what we advise. */
export async function packageOf(scheme: string): Promise<{ readonly pg: Pg } | { readonly js: MakePostgresJs }> {
  try {
    const package_ = (await importClient('pg', scheme)) as Pg | { readonly default: Pg }
    return { pg: 'default' in package_ ? package_.default : package_ }
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown
    const other = await importClient('postgres', scheme).catch(() => {
      throw thrown
    })
    return { js: (other as { readonly default: MakePostgresJs }).default }
  }
}

export function poolOf({ Pool }: Pg, connectionString: string, max: number) {
  const pool = new Pool({ connectionString, max, connectionTimeoutMillis: CONNECT_MS, keepAlive: true })
  // The store hears of every connection that it has lost; one that nobody uses is no news.
  pool.on('error', () => {})
  return { client: pool, end: () => pool.end() }
}

/** A bad option is a bad URL here. */
function opened(client: PostgresClient): PostgresStore {
  try {
    return postgres(client)
  } catch (thrown) {
    if (thrown instanceof TenureError) throw misconfigured(thrown.message)
    throw thrown
  }
}

/** Among the elections, so that the same rights count; its row is removed afterwards. */
async function rehearse<T>(client: PostgresClient, store: PostgresStore, use: (store: LeaseStore) => Promise<T>): Promise<T> {
  const elections = new Set<string>()
  return cleaned(
    () => use(noting(store, elections)),
    () => forget(client, [...elections]),
  )
}

const meanings = {
  A: 'one leader within the drift bound, tokens never repeat',
  B: 'tokens grow on this server, but two may lead for up to a ttl after a failover, or after it lost what it knew',
  C: 'leases may vanish while they are held',
} as const

export async function examinedBy(ask: (signal: AbortSignal) => Promise<Examination>): Promise<Examined> {
  return examinedOf(await ask(AbortSignal.timeout(PATIENCE_MS)), { meanings })
}
