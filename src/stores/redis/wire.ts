/**
 * One connection of the store's own, whatever driver made it. A wire is never repaired: one that fails is thrown away
 * and another is made, so that nothing waits in a driver's queue to leave late and no driver retries for ever.
 */

import type { RedisClient } from './client.ts'
import { recognise } from './client.ts'
import { clusterWires, ioredisWires } from './ioredis.ts'
import { nodeRedisClusterWires, nodeRedisSentinelWires, nodeRedisWires } from './node-redis.ts'

/** Send one command to one server and wait for what it answers. */
export type Send = (args: readonly string[]) => Promise<unknown>

/** Told once when a connection has ended that nobody cut. */
export type Gone = (reason: Error) => void

export interface Wire {
  /** Resolves once commands can be sent; rejects with what the server or the network had against it. */
  open(): Promise<unknown>
  /** `key` tells a Cluster which node is meant. */
  send(key: string, args: readonly string[]): Promise<unknown>
  /** One way to each master; a single one outside of a Cluster. */
  masters(): Promise<readonly Send[]>
  /** A second connection to the same place, to listen on. Not open yet. */
  ear(gone: Gone): Promise<Ear>
  /** Whether this connection keeps the process alive, as far as the driver lets one say. */
  keepAlive(wanted: boolean): void
  cut(): void
}

export interface Ear extends Pick<Wire, 'open' | 'keepAlive' | 'cut'> {
  subscribe(channel: string, heard: (message: string) => void): Promise<unknown>
}

/** What makes wires, out of the user's client. */
export interface Wires {
  /** Who answers: one server, whichever Sentinel names, or a Cluster. */
  readonly topology: 'single' | 'sentinel' | 'cluster'
  /** What the user's client puts before all its keys. */
  readonly keyPrefix: string
  make(gone: Gone): Wire
}

/** How connections like the user's are made. Throws a `TenureError` of code `bad-option` for what is no client. */
export function wiresOf(client: RedisClient): Wires {
  const known = recognise(client)
  switch (known.kind) {
    case 'ioredis':
      return ioredisWires(known.client)
    case 'ioredis-cluster':
      return clusterWires(known.client)
    case 'node-redis':
      return nodeRedisWires(known.client)
    case 'node-redis-cluster':
      return nodeRedisClusterWires(known.client)
    case 'node-redis-sentinel':
      return nodeRedisSentinelWires(known.client)
    default:
      return known satisfies never
  }
}
