/**
 * A bus over Redis pub/sub, through ioredis or node-redis. It has two connections of its own, one to hear and one to
 * speak, made like the client's. None is ever repaired: one that fails ends the joining, so that nothing waits in a
 * driver's queue to be said late.
 */

import { type Clock, systemClock } from '../../clock.ts'
import { badOption } from '../../errors.ts'
import { checkClock, checkKnown } from '../../options.ts'
import type { Bus } from '../bus.ts'
import { type Link, type LinkEnds, linkedBus } from './shared/linked.ts'

type Listener = (...args: unknown[]) => void

/** What is used of ioredis: a single server, or one that Sentinel names. */
export interface IoredisBusClient {
  duplicate(overrides?: IoredisBusOverrides): IoredisBusClient
  connect(): Promise<unknown>
  disconnect(): void
  subscribe(channel: string): Promise<unknown>
  publish(channel: string, message: string): Promise<unknown>
  ping(): Promise<unknown>
  on(event: string, listener: Listener): unknown
}

export interface IoredisBusOverrides {
  connectionName?: string
  keyPrefix?: string
  lazyConnect?: boolean
  keepAlive?: number
  retryStrategy?: () => null
  sentinelRetryStrategy?: () => null
  reconnectOnError?: null
  enableReadyCheck?: boolean
  enableOfflineQueue?: boolean
  autoResubscribe?: boolean
  autoResendUnfulfilledCommands?: boolean
  monitor?: boolean
}

/** What is used of node-redis (`createClient`). */
export interface NodeRedisBusClient {
  readonly options?: { readonly socket?: object } | undefined
  duplicate(overrides?: { name?: string; socket?: object; disableOfflineQueue?: boolean }): NodeRedisBusClient
  connect(): Promise<unknown>
  destroy(): void
  unref(): void
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  publish(channel: string, message: string): Promise<unknown>
  ping(): Promise<unknown>
  on(event: string, listener: Listener): unknown
}

/** A client of ioredis, or of node-redis, for one server. */
export type RedisBusClient = IoredisBusClient | NodeRedisBusClient

/** All are optional. */
export interface RedisBusOptions {
  /** The same for all who shall hear each other. @default 'tenure:failover' */
  readonly channel?: string | undefined
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/** One connection, whichever driver made it. */
interface Wire {
  open(): Promise<unknown>
  subscribe(channel: string, heard: (message: string) => void): Promise<unknown>
  publish(channel: string, message: string): Promise<unknown>
  ping(): Promise<unknown>
  cut(): void
}

/**
 * The client is only the pattern for connections of the bus's own: it need not be connected, and is never closed. For a
 * Cluster give a client of one of its nodes: what one is told, all are. Throws a `TenureError` of code `bad-option`.
 */
export function redisBus(client: RedisBusClient, options: RedisBusOptions = {}): Bus {
  checkKnown(options, { channel: true, clock: true })
  const { channel = 'tenure:failover', clock = systemClock } = options
  checkClock(clock)
  if (typeof channel !== 'string' || channel === '') throw badOption('channel', 'a non-empty string', channel)
  const wire = wireMaker(client)
  return linkedBus({ name: 'redis', clock, open: (ends) => linkOf(wire, channel, ends) })
}

function linkOf(wire: (lost: (thrown: unknown) => void) => Wire, channel: string, ends: LinkEnds): Link {
  const ear = wire(ends.lost)
  const mouth = wire(ends.lost)
  let isOver = false
  const begin = async () => {
    await Promise.all([ear.open(), mouth.open()])
    // Some clients would open themselves again.
    if (isOver) return
    await ear.subscribe(channel, (text) => ends.heard(text))
    ends.up()
  }
  begin().catch(ends.lost)
  return {
    send: async (text) => void (await mouth.publish(channel, text)),
    check: () => Promise.all([ear.ping(), mouth.ping()]),
    close() {
      isOver = true
      ear.cut()
      mouth.cut()
    },
  }
}

function wireMaker(client: RedisBusClient): (lost: (thrown: unknown) => void) => Wire {
  if (isNodeRedis(client)) return (lost) => nodeRedisWire(client, lost)
  if (isIoredis(client)) return (lost) => ioredisWire(client, lost)
  throw badOption('client', 'a client of ioredis or node-redis for one server (of a Cluster: of one of its nodes)', client)
}

const ownIoredis: IoredisBusOverrides = {
  connectionName: 'tenure',
  keyPrefix: '',
  lazyConnect: true,
  keepAlive: 10_000,
  retryStrategy: () => null,
  sentinelRetryStrategy: () => null,
  reconnectOnError: null,
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  monitor: false,
}

function ioredisWire(client: IoredisBusClient, lost: (thrown: unknown) => void): Wire {
  const redis = client.duplicate(ownIoredis)
  let reason: unknown
  redis.on('error', (thrown) => {
    reason = thrown
  })
  redis.on('end', () => lost(reason ?? new Error('the connection was closed')))
  return {
    open: () =>
      redis.connect().catch((thrown: unknown) => {
        // What is thrown says only that it is closed; what was told before says why.
        throw reason ?? thrown
      }),
    subscribe(channel, heard) {
      redis.on('message', (_channel, message) => heard(String(message)))
      return redis.subscribe(channel)
    },
    publish: (channel, message) => redis.publish(channel, message),
    ping: () => redis.ping(),
    cut: () => redis.disconnect(),
  }
}

function nodeRedisWire(client: NodeRedisBusClient, lost: (thrown: unknown) => void): Wire {
  const redis = client.duplicate({
    name: 'tenure',
    disableOfflineQueue: true,
    socket: { ...client.options?.socket, keepAlive: true, keepAliveInitialDelay: 10_000, reconnectStrategy: false },
  })
  let isOver = false
  // Without reconnecting, every error of the connection is its end.
  redis.on('error', lost)
  redis.on('end', () => lost(new Error('the connection was closed')))
  return {
    async open() {
      try {
        await redis.connect()
      } finally {
        // What is destroyed while it connects goes on connecting.
        if (isOver) redis.destroy()
      }
    },
    subscribe: (channel, heard) => redis.subscribe(channel, heard),
    publish: (channel, message) => redis.publish(channel, message),
    ping: () => redis.ping(),
    cut() {
      isOver = true
      redis.destroy()
    },
  }
}

function isIoredis(client: RedisBusClient): client is IoredisBusClient {
  return has(client, ['duplicate', 'connect', 'disconnect', 'subscribe', 'publish', 'ping']) && !('nodes' in client)
}

function isNodeRedis(client: RedisBusClient): client is NodeRedisBusClient {
  return has(client, ['duplicate', 'connect', 'destroy', 'subscribe', 'publish', 'ping', 'unref']) && !('nodeClient' in client)
}

function has(client: unknown, methods: readonly string[]): boolean {
  if (typeof client !== 'object' || client === null) return false
  return methods.every((name) => typeof (client as Record<string, unknown>)[name] === 'function')
}
