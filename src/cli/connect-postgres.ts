/** `postgres://` for `connect.ts`: the lease rows, through whichever client package the user has. */

import { describeValue, maskSecrets, TenureError } from '../errors.ts'
import type { LeaseStore } from '../index.ts'
import { forget } from '../stores/postgres/examine.ts'
import { ddl, examine, type PgPool, type PostgresClient, type PostgresJs, type PostgresStore, postgres } from '../stores/postgres.ts'
import type { Address, Connected, Finding } from './connected.ts'
import { misconfigured, Refusal } from './exit-codes.ts'
import { importClient } from './import-client.ts'

/** How long a doctor waits for the server. */
const PATIENCE_MS = 10_000
/** How long connecting may take, in milliseconds. */
const CONNECT_MS = 5000
/** Two for the store, and one beside. */
const CONNECTIONS = 3

/** Has no parameters of its own. */
export async function openPostgres({ url, own }: Address): Promise<Connected> {
  for (const name of own.keys()) throw misconfigured(`postgres: has no parameter ${describeValue(name)}`)
  const { client, end } = await clientOf(url)
  const store = opened(client)
  return {
    store,
    where: maskSecrets(url),
    ddl,
    examine: () => findingsOf(client),
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

interface Pg {
  readonly Pool: new (options: object) => PgPool & { end(): Promise<unknown>; on(event: 'error', listener: () => void): unknown }
}

type MakePostgresJs = (url: string, options: object) => PostgresJs & { end(options: object): Promise<unknown> }

async function clientOf(url: string): Promise<Opened> {
  try {
    return byPg((await importClient('pg', 'postgres')) as Pg | { readonly default: Pg }, url)
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown
    // The other will do; where neither is there, the first is what we advise.
    const other = await importClient('postgres', 'postgres').catch(() => {
      throw thrown
    })
    return byPostgresJs(other as { readonly default: MakePostgresJs }, url)
  }
}

function byPg(package_: Pg | { readonly default: Pg }, connectionString: string): Opened {
  const { Pool } = 'default' in package_ ? package_.default : package_
  const pool = new Pool({ connectionString, max: CONNECTIONS, connectionTimeoutMillis: CONNECT_MS, keepAlive: true })
  // The store hears of every connection that it has lost; one that nobody uses is no news.
  pool.on('error', () => {})
  return { client: pool, end: () => pool.end() }
}

function byPostgresJs(package_: { readonly default: MakePostgresJs }, url: string): Opened {
  const client = package_.default(url, { max: CONNECTIONS, connect_timeout: CONNECT_MS / 1000, onnotice: () => {} })
  return { client, end: () => client.end({ timeout: 1 }) }
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
  try {
    return await use({
      ...store,
      acquire(bid, signal) {
        elections.add(bid.election)
        return store.acquire(bid, signal)
      },
    })
  } finally {
    await forget(client, [...elections])
  }
}

const levels = { error: 'unfit', warning: 'doubtful', info: 'good' } as const
const meanings = {
  A: 'one leader within the drift bound, tokens never repeat',
  B: 'tokens grow on this server, but two may lead for up to a ttl after a failover, or after it lost what it knew',
  C: 'leases may vanish while they are held',
} as const

async function findingsOf(client: PostgresClient): Promise<readonly Finding[]> {
  const { level, facts, findings } = await examine(client, AbortSignal.timeout(PATIENCE_MS))
  return [
    { level: 'good', text: facts.map(({ name, value }) => `${name} ${value}`).join(', ') },
    ...findings.map(({ severity, message, advice }): Finding => ({ level: levels[severity], text: `${message}: ${advice}` })),
    { level: level === 'A' ? 'good' : 'doubtful', text: `level ${level}: ${meanings[level]}` },
  ]
}
