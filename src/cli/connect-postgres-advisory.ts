/** `postgres-advisory://` for `connect.ts`: the advisory lock, through whichever client package the user has. */

import { describeValue, maskSecrets } from '../errors.ts'
import type { LeaseStore } from '../index.ts'
import { forget } from '../stores/postgres/examine.ts'
import type { PostgresClient } from '../stores/postgres.ts'
import { type AdvisoryClient, ddl, examine, type MakePostgresJs, postgresAdvisory } from '../stores/postgres-advisory.ts'
import { checkUrl } from './check-url.ts'
import { examinedBy, packageOf, poolOf } from './connect-postgres.ts'
import type { Address, Connected } from './connected.ts'
import { misconfigured } from './exit-codes.ts'
import { cleaned, noting } from './rehearsal.ts'

/** Four for the store, and one beside. */
const CONNECTIONS = 5

/** `tenure_key` is the lock to take, where it is not to be made of the name of the election. */
export async function openPostgresAdvisory({ url, own }: Address): Promise<Connected> {
  const { tenure_key, ...unknown } = Object.fromEntries(own)
  for (const name of Object.keys(unknown)) throw misconfigured(`postgres-advisory: has no parameter ${describeValue(name)}`)
  checkUrl(url)
  const key = keyOf(tenure_key)
  const { client, plain, end } = await clientOf(url.replace(/^[^:]*/, 'postgres'))
  const store = postgresAdvisory(client, { key })
  return {
    store,
    where: maskSecrets(url),
    ddl,
    examine: () => examinedBy((signal) => examine(client, signal)),
    rehearse: (use) => rehearse(client, plain, use),
    async close() {
      await store.close()
      await end()
    },
  }
}

interface Opened {
  readonly client: AdvisoryClient
  /** For a statement of our own. */
  readonly plain: PostgresClient
  end(): Promise<unknown>
}

async function clientOf(url: string): Promise<Opened> {
  const packages = await packageOf('postgres-advisory')
  if ('pg' in packages) {
    const { client, end } = poolOf(packages.pg, url, CONNECTIONS)
    return { client, plain: client, end }
  }
  const plain = packages.js(url, { max: 3, onnotice: () => {}, fetch_types: false })
  const client: MakePostgresJs = (options) => packages.js(url, options)
  return { client, plain, end: () => plain.end({ timeout: 1 }) }
}

function keyOf(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  const key = /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined
  if (key !== undefined && BigInt.asIntN(64, key) === key) return key
  throw misconfigured(`postgres-advisory: Expected tenure_key to be an integer of at most 64 bits, e.g. 728379, got ${describeValue(text)}`)
}

/** On a lock of its own, whatever the key, so that nobody is excluded meanwhile; its row is removed afterwards. */
async function rehearse<T>(client: AdvisoryClient, plain: PostgresClient, use: (store: LeaseStore) => Promise<T>): Promise<T> {
  const elections = new Set<string>()
  const store = postgresAdvisory(client)
  const clean = async () => {
    await store.close()
    await forget(plain, [...elections])
  }
  return cleaned(() => use(noting(store, elections)), clean)
}
