/**
 * `sqlite:/path.db` for `connect.ts`: the store in a SQLite file, through Node's own SQLite, or else whichever client
 * package the user has.
 */

import { existsSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { describeValue, TenureError } from '../errors.ts'
import type { LeaseStore } from '../index.ts'
import { forget } from '../stores/sqlite/examine.ts'
import { ddl, examine, type SqliteDatabase, type SqliteStore, sqlite } from '../stores/sqlite.ts'
import { decoded } from './connect-file.ts'
import type { Address, Connected } from './connected.ts'
import { examinedOf } from './examined.ts'
import { misconfigured, Refusal } from './exit-codes.ts'
import { importClient } from './import-client.ts'
import { truthOf } from './parameters.ts'
import { cleaned } from './rehearsal.ts'

/** How long a doctor waits for the file. */
const PATIENCE_MS = 10_000
const lesser = 'not for several processes'
const meanings = { A: 'one leader within the drift bound, tokens never repeat, on this host', B: lesser, C: lesser } as const

type Database = SqliteDatabase & { close(): unknown }
type Make = new (file: string) => Database

/** Our own parameter: `tenure_create=true` makes the file and its tables where they are missing. */
export async function openSqlite({ url, own }: Address): Promise<Connected> {
  const file = fileOf(url)
  const create = createOf(own)
  if (!create && !existsSync(file)) return nowhere(file)
  const Client = await clientOf()
  const db = opened(Client, file)
  const store = sqlite(db)
  const close = async () => {
    await store.close()
    db.close()
  }
  if (create) {
    await store.ensureSchema().catch(async (thrown: unknown) => {
      await close()
      throw thrown
    })
  }
  return {
    store,
    where: `sqlite:${file}`,
    ddl,
    examine: async () => examinedOf(await examine(db, AbortSignal.timeout(PATIENCE_MS)), { meanings }),
    rehearse: (use) => rehearse(db, store, use),
    close,
  }
}

/** Two working directories would be two files, and two leaders. */
function fileOf(url: string): string {
  const path = decoded(url.slice('sqlite:'.length)).replace(/^\/\/(localhost)?(?=\/)/, '')
  if (!url.includes('?') && isAbsolute(path) && !path.endsWith('/')) return path
  throw misconfigured(`Expected an absolute path like sqlite:/var/lib/app/app.db, got ${describeValue(url)}`)
}

function createOf(own: ReadonlyMap<string, string>): boolean {
  for (const name of own.keys()) if (name !== 'tenure_create') throw misconfigured(`sqlite: has no parameter ${describeValue(name)}`)
  return truthOf(own, 'tenure_create')
}

/** A path without a file: opening it would make one, which is for the user to ask for. What is needed can still be told. */
function nowhere(file: string): Connected {
  const advice = `Add ?tenure_create=true to the URL once, or make it with the SQL that \`tenure ddl --store sqlite:...\` prints`
  const refuse = async (): Promise<never> => {
    throw new TenureError('store-unfit', `sqlite: there is no file ${file}. ${advice}`)
  }
  const store: LeaseStore = { name: 'sqlite', acquire: refuse, renew: refuse, release: refuse, read: refuse, list: refuse }
  return { store, where: `sqlite:${file}`, ddl, close: async () => {} }
}

async function clientOf(): Promise<Make> {
  const own = await nodesOwn()
  if (own) return own
  for (const name of ['better-sqlite3', 'libsql']) {
    try {
      return ((await importClient(name, 'sqlite')) as { readonly default: Make }).default
    } catch (thrown) {
      // The other will do.
      if (!(thrown instanceof Refusal)) throw thrown
    }
  }
  const type = 'npm i better-sqlite3, or: npx -p tenure -p better-sqlite3 tenure ...'
  throw misconfigured(`sqlite: needs Node 22.13 or later, or one of the packages better-sqlite3 and libsql. Type: ${type}`)
}

/** From Node 22.13 on. It is said to be experimental there, at every start, which is nothing the user could act on. */
async function nodesOwn(): Promise<Make | undefined> {
  const warn = process.emitWarning
  process.emitWarning = () => {}
  try {
    const name = 'node:sqlite'
    return ((await import(name)) as { readonly DatabaseSync: Make }).DatabaseSync
  } catch {
    // This Node has none.
    return undefined
  } finally {
    process.emitWarning = warn
  }
}

function opened(Client: Make, file: string): Database {
  try {
    return new Client(file)
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    const advice = 'Check that its directory exists, and that this user may write there'
    throw new TenureError('store-denied', `sqlite: cannot open ${file}: ${message}. ${advice}`, { cause: thrown })
  }
}

/** Among the elections, in the same file; its row is removed afterwards. */
async function rehearse<T>(db: SqliteDatabase, store: SqliteStore, use: (store: LeaseStore) => Promise<T>): Promise<T> {
  const elections = new Set<string>()
  const counting: LeaseStore = {
    ...store,
    async acquire(bid, signal) {
      const lease = await store.acquire(bid, signal)
      elections.add(bid.election)
      return lease
    },
  }
  const clean = async () => {
    if (elections.size > 0) await forget(db, [...elections])
  }
  return cleaned(() => use(counting), clean)
}
