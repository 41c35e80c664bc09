/**
 * `redis://` and `rediss://` for `connect.ts`: one server, `?tenure_sentinel=name` or `?tenure_cluster=true`, through
 * whichever client package the user has.
 */

import { describeValue, maskSecrets, TenureError } from '../errors.ts'
import type { LeaseStore } from '../index.ts'
import { Settling } from '../stores/redis/answers.ts'
import type { IoredisClient, IoredisCluster, NodeRedisClient, NodeRedisCluster, NodeRedisSentinel } from '../stores/redis/client.ts'
import { keysOf } from '../stores/redis/keys.ts'
import { wiresOf } from '../stores/redis/wire.ts'
import { examine, type RedisClient, type RedisOptions, redis } from '../stores/redis.ts'
import type { Fact } from '../stores/shared/examination.ts'
import { checkUrl } from './check-url.ts'
import { decoded } from './connect-file.ts'
import type { Address, Connected, Examined } from './connected.ts'
import { examinedOf } from './examined.ts'
import { misconfigured, Refusal } from './exit-codes.ts'
import { importClient } from './import-client.ts'
import { truthOf } from './parameters.ts'
import { cleaned, noting } from './rehearsal.ts'

/** How long a doctor waits for the server. */
const PATIENCE_MS = 10_000
const parameters = ['tenure_prefix', 'tenure_replicas', 'tenure_force', 'tenure_sentinel', 'tenure_cluster']

/** Our own parameters: `tenure_prefix`, `tenure_replicas`, `tenure_force`, `tenure_sentinel` and `tenure_cluster`. */
export async function openRedis({ url, own }: Address): Promise<Connected> {
  const place = placeOf(url, own)
  // Of a single server the client reads the URL itself.
  if (place.sentinel === undefined && !place.cluster) checkUrl(url)
  const options = optionsOf(own)
  const client = await clientOf(place)
  const store = opened(client, options)
  return {
    store,
    where: maskSecrets(url),
    examine: () => examined(client, options),
    rehearse: (use) => rehearse(client, options, use),
    settlingMs: (thrown) => (thrown instanceof Settling ? thrown.forMs : undefined),
    close: async () => store.close?.(),
  }
}

/** Where to connect to, and as whom. */
interface Place {
  readonly url: string
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly sentinel: string | undefined
  readonly cluster: boolean
}

function placeOf(url: string, own: ReadonlyMap<string, string>): Place {
  const unknown = [...own.keys()].find((name) => !parameters.includes(name))
  if (unknown !== undefined) throw misconfigured(`redis: has no parameter ${describeValue(unknown)}`)
  const [, scheme = '', login, hosts = '', db = '0'] = /^([a-z]+):\/\/(?:(.*)@)?([^/?@]+)(?:\/(\d*))?(?:\?.*)?$/i.exec(url) ?? []
  const sentinel = own.get('tenure_sentinel')
  const cluster = truthOf(own, 'tenure_cluster')
  const several = sentinel !== undefined || cluster
  if (hosts === '' || (hosts.includes(',') && !several) || (sentinel !== undefined && cluster)) {
    throw misconfigured(
      `Expected a URL like redis://host:6379, redis://host1,host2?tenure_sentinel=name or redis://host1,host2?tenure_cluster=true, got ${describeValue(url)}`,
    )
  }
  const [username, password] = login === undefined ? [] : login.split(/:(.*)/s).map(decoded)
  return {
    url,
    tls: scheme.toLowerCase() === 'rediss',
    username: username || undefined,
    password: password || undefined,
    db: Number(db || '0'),
    hosts: hosts.split(',').map((each) => hostOf(each, sentinel === undefined ? 6379 : 26379)),
    sentinel,
    cluster,
  }
}

function hostOf(text: string, standard: number) {
  const [, host = text, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(text) ?? []
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port ?? standard) }
}

function optionsOf(own: ReadonlyMap<string, string>): RedisOptions {
  const replicas = own.get('tenure_replicas') ?? '0'
  if (!/^\d+$/.test(replicas)) throw misconfigured(`Expected tenure_replicas to be a number, got ${describeValue(replicas)}`)
  return { replicas: Number(replicas), force: truthOf(own, 'tenure_force'), keyPrefix: own.get('tenure_prefix') ?? '' }
}

interface Ioredis {
  readonly Redis: new (...options: (string | object)[]) => IoredisClient
  readonly Cluster: new (nodes: readonly object[], options: object) => IoredisCluster
}

interface NodeRedis {
  createClient(options: object): NodeRedisClient
  createCluster(options: object): NodeRedisCluster
  createSentinel(options: object): NodeRedisSentinel
}

/** A client that is not connected: the store only takes it for a pattern. */
async function clientOf(place: Place): Promise<RedisClient> {
  try {
    return byIoredis((await importClient('ioredis', 'redis')) as Ioredis, place)
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown
    // The other will do; where neither is there, the first is what we advise.
    const other = await importClient('redis', 'redis').catch(() => {
      throw thrown
    })
    return byNodeRedis(other as NodeRedis, place)
  }
}

function byIoredis({ Redis, Cluster }: Ioredis, { url, tls, hosts, username, password, db, sentinel, cluster }: Place): RedisClient {
  const login = { ...(username && { username }), ...(password && { password }) }
  if (cluster) return new Cluster(hosts, { lazyConnect: true, redisOptions: { ...login, ...(tls && { tls: {} }) } })
  if (sentinel === undefined) return new Redis(url, { lazyConnect: true })
  const secure = tls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }
  return new Redis({ sentinels: hosts, name: sentinel, db, lazyConnect: true, ...login, ...secure })
}

function byNodeRedis(package_: NodeRedis, { url, tls, hosts, username, password, db, sentinel, cluster }: Place): RedisClient {
  const login = { ...(username && { username }), ...(password && { password }), ...(tls && { socket: { tls: true } }) }
  if (cluster) return package_.createCluster({ rootNodes: hosts.map((socket) => ({ socket: { ...socket, tls } })), defaults: login })
  if (sentinel === undefined) return package_.createClient({ url })
  return package_.createSentinel({ name: sentinel, sentinelRootNodes: hosts, nodeClientOptions: { ...login, database: db } })
}

/** A bad option is a bad URL here. */
function opened(client: RedisClient, options: RedisOptions): LeaseStore {
  try {
    return redis(client, options)
  } catch (thrown) {
    if (thrown instanceof TenureError) throw misconfigured(thrown.message)
    throw thrown
  }
}

/** Under a prefix of its own, which the rights to our keys include; what a bid leaves for good is removed afterwards. */
async function rehearse<T>(client: RedisClient, options: RedisOptions, use: (store: LeaseStore) => Promise<T>): Promise<T> {
  const keyPrefix = `${options.keyPrefix ?? ''}tenure:=doctor:`
  const store = opened(client, { ...options, keyPrefix })
  const elections = new Set<string>()
  const leftovers = () => [...elections].flatMap((election) => Object.values(keysOf(keyPrefix, election)))
  const clean = async () => {
    await store.close?.()
    await remove(client, leftovers())
  }
  return cleaned(() => use(noting(store, elections)), clean)
}

async function remove(client: RedisClient, keys: readonly string[]): Promise<void> {
  const wire = wiresOf(client).make(() => {})
  try {
    await wire.open()
    for (const key of keys) await wire.send(key, ['DEL', key])
  } finally {
    wire.cut()
  }
}

const meanings = {
  A: 'one leader within the drift bound, tokens never repeat',
  B: 'tokens grow, but two may lead for up to a ttl after a failover, or after the server lost what it knew',
  C: 'leases may vanish while they are held',
} as const

async function examined(client: RedisClient, { keyPrefix, force }: RedisOptions): Promise<Examined> {
  const { facts, ...examination } = await examine(client, AbortSignal.timeout(PATIENCE_MS), { keyPrefix })
  return examinedOf({ ...examination, facts: facts.map(inWords) }, { meanings, isForced: force })
}

/** How the log is synced says nothing to those who do not know that there is none. */
function inWords({ name, value }: Fact): Fact {
  const [, log] = /^(append-only log), synced$/.exec(name) ?? []
  if (log === undefined) return { name, value }
  const each = value.split(', ').map((synced) => (synced === 'none' ? 'off' : `synced ${synced}`))
  return { name: log, value: each.join(' or ') }
}
