/**
 * From a URL to a store. A table by scheme: each entry opens one store, and loads the client package of the user only
 * then. It must never show a URL with its credentials, and never pass on the parameters that are ours.
 */

import { describeValue } from '../errors.ts'
import { openEtcd } from './connect-etcd.ts'
import { decoded, openFile } from './connect-file.ts'
import { openPostgres } from './connect-postgres.ts'
import { openPostgresAdvisory } from './connect-postgres-advisory.ts'
import { openRedis } from './connect-redis.ts'
import { openSqlite } from './connect-sqlite.ts'
import type { Address, Connected } from './connected.ts'
import { misconfigured } from './exit-codes.ts'

type Open = (address: Address) => Connected | Promise<Connected>

const schemes: Readonly<Record<string, Open>> = {
  file: openFile,
  etcd: openEtcd,
  etcds: openEtcd,
  postgres: openPostgres,
  postgresql: openPostgres,
  'postgres-advisory': openPostgresAdvisory,
  sqlite: openSqlite,
  redis: openRedis,
  rediss: openRedis,
}

/** Open the store that a URL names; without one, the file store of this user on this host. */
export async function connect(url: string | undefined): Promise<Connected> {
  if (url === undefined) return openFile({ url: 'file:', own: new Map() })
  // A variable that was to hold it may be unset: every host would lead its own files.
  if (url === '') throw misconfigured('The URL of the store (--store, TENURE_STORE) is empty. Leave it out for the files of this user')
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme === 'memory') throw misconfigured('memory: lives in one process only, so that nobody else could stand in its elections')
  const open = scheme === undefined || !Object.hasOwn(schemes, scheme) ? undefined : schemes[scheme]
  if (open) return open(addressOf(url))
  const known = Object.keys(schemes).map((name) => `${name}:`)
  // The rest may be a password that no mask recognises.
  const got = scheme === undefined ? 'one without a scheme' : describeValue(`${scheme}:`)
  throw misconfigured(`Expected the URL of the store to start with ${known.join(', ')}, got ${got}`)
}

function addressOf(text: string): Address {
  const [before = '', query = ''] = text.split(/\?(.*)/s)
  const theirs: string[] = []
  const own = new Map<string, string>()
  for (const pair of query.split('&').filter(Boolean)) {
    const [name = '', value = ''] = pair.split(/=(.*)/s)
    if (name.startsWith('tenure_')) own.set(name, decoded(value))
    else theirs.push(pair)
  }
  return { url: theirs.length === 0 ? before : `${before}?${theirs.join('&')}`, own }
}
