/**
 * The user's client, by structure: only what the store uses of ioredis and of node-redis, so that neither has to be
 * installed for the types to hold. The client itself is never used for leases, and need not be connected: the store
 * makes connections of its own by `duplicate()`, with the driver's own retries turned off.
 */

import { badOption } from '../../errors.ts'

type Listener = (...args: unknown[]) => void

/** What a client puts before all its keys. */
type Prefix = string | Uint8Array | null | undefined

/** A socket, as far as it matters whether it keeps the process alive. */
export interface SocketLike {
  destroy(): unknown
  ref?(): unknown
  unref?(): unknown
}

/** What the store sets on connections of its own. */
export interface IoredisOverrides {
  lazyConnect?: boolean
  connectionName?: string
  keyPrefix?: string
  keepAlive?: number
  retryStrategy?: () => null
  sentinelRetryStrategy?: () => null
  reconnectOnError?: null
  maxRetriesPerRequest?: number
  autoResendUnfulfilledCommands?: boolean
  autoResubscribe?: boolean
  enableReadyCheck?: boolean
  enableOfflineQueue?: boolean
  enableAutoPipelining?: boolean
  readOnly?: boolean
  monitor?: boolean
}

/** `Redis` of ioredis: one server, or Sentinel. */
export interface IoredisClient {
  readonly options: { readonly keyPrefix?: Prefix; readonly sentinels?: readonly unknown[] | null | undefined }
  readonly stream?: SocketLike | undefined
  duplicate(overrides?: IoredisOverrides): IoredisClient
  connect(): Promise<unknown>
  disconnect(): void
  call(command: string, args: string[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  on(event: string, listener: Listener): unknown
}

/** `Redis.Cluster` of ioredis. */
export interface IoredisCluster {
  readonly options: { readonly keyPrefix?: Prefix }
  duplicate(nodes: never[], overrides: IoredisClusterOverrides): IoredisCluster
  nodes(role: 'master'): IoredisClient[]
  connect(): Promise<unknown>
  disconnect(): void
  call(command: string, args: string[]): Promise<unknown>
  on(event: string, listener: Listener): unknown
}

export interface IoredisClusterOverrides {
  lazyConnect?: boolean
  keyPrefix?: string
  clusterRetryStrategy?: () => null
  scaleReads?: 'master'
  enableAutoPipelining?: boolean
  redisOptions?: Omit<IoredisOverrides, 'retryStrategy' | 'enableOfflineQueue' | 'readOnly'>
}

/** The client of node-redis (`createClient`). */
export interface NodeRedisClient {
  readonly options?: { readonly keyPrefix?: Prefix; readonly socket?: object } | undefined
  duplicate(overrides?: { name?: string; socket?: object; disableOfflineQueue?: boolean }): NodeRedisClient
  connect(): Promise<unknown>
  destroy(): void
  ref(): void
  unref(): void
  sendCommand(args: string[]): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  on(event: string, listener: Listener): unknown
}

/** The cluster of node-redis (`createCluster`). */
export interface NodeRedisCluster {
  readonly _keyPrefix?: Prefix
  readonly masters: readonly object[]
  duplicate(): NodeRedisCluster
  nodeClient(node: object): Promise<NodeRedisClient>
  getSlotMaster(slot: number): object
  connect(): Promise<unknown>
  destroy(): void
  sendCommand(firstKey: string | undefined, isReadonly: boolean, args: string[]): Promise<unknown>
  on(event: string, listener: Listener): unknown
}

/** The Sentinel client of node-redis (`createSentinel`). */
export interface NodeRedisSentinel {
  readonly _keyPrefix?: Prefix
  duplicate(overrides?: { masterPoolSize?: number }): NodeRedisSentinel
  connect(): Promise<unknown>
  destroy(): Promise<unknown>
  getMasterNode(): unknown
  sendCommand(isReadonly: boolean, args: string[]): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  on(event: string, listener: Listener): unknown
}

/** A client of ioredis or node-redis, for one server, Sentinel or Cluster. */
export type RedisClient = IoredisClient | IoredisCluster | NodeRedisClient | NodeRedisCluster | NodeRedisSentinel

export type Recognised =
  | { readonly kind: 'ioredis'; readonly client: IoredisClient }
  | { readonly kind: 'ioredis-cluster'; readonly client: IoredisCluster }
  | { readonly kind: 'node-redis'; readonly client: NodeRedisClient }
  | { readonly kind: 'node-redis-cluster'; readonly client: NodeRedisCluster }
  | { readonly kind: 'node-redis-sentinel'; readonly client: NodeRedisSentinel }

/** Tell by its methods what was given. Throws a `TenureError` of code `bad-option`. */
export function recognise(client: RedisClient): Recognised {
  if (isIoredisCluster(client)) return { kind: 'ioredis-cluster', client }
  if (isIoredis(client)) return { kind: 'ioredis', client }
  if (isNodeRedisCluster(client)) return { kind: 'node-redis-cluster', client }
  if (isNodeRedisSentinel(client)) return { kind: 'node-redis-sentinel', client }
  if (isNodeRedis(client)) return { kind: 'node-redis', client }
  throw badOption('client', 'a client of ioredis or node-redis', client)
}

function isIoredisCluster(client: RedisClient): client is IoredisCluster {
  return has(client, ['duplicate', 'connect', 'disconnect', 'call', 'nodes'])
}

function isIoredis(client: RedisClient): client is IoredisClient {
  return has(client, ['duplicate', 'connect', 'disconnect', 'call', 'subscribe'])
}

function isNodeRedisCluster(client: RedisClient): client is NodeRedisCluster {
  return has(client, ['duplicate', 'connect', 'destroy', 'sendCommand', 'nodeClient', 'getSlotMaster'])
}

function isNodeRedisSentinel(client: RedisClient): client is NodeRedisSentinel {
  return has(client, ['duplicate', 'connect', 'destroy', 'sendCommand', 'subscribe', 'getMasterNode'])
}

function isNodeRedis(client: RedisClient): client is NodeRedisClient {
  return has(client, ['duplicate', 'connect', 'destroy', 'sendCommand', 'subscribe', 'ref', 'unref'])
}

function has(client: unknown, methods: readonly string[]): boolean {
  if (typeof client !== 'object' || client === null) return false
  return methods.every((name) => typeof (client as Record<string, unknown>)[name] === 'function')
}
