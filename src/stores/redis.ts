/**
 * Leases in Redis or Valkey, by Lua scripts: one server, Sentinel or Cluster, through ioredis or node-redis.
 *
 * Whose clock: the server's. What makes it atomic: Redis runs one script at a time. Where the token comes from: the
 * larger of the last one plus 1 and the server's clock in microseconds, so that it grows even when all is lost. What is
 * lost with the server's memory: the leases, which may still be believed in; therefore nobody is given a lease that the
 * server cannot have seen end before it has run for a ttl. Level A on a single server with `appendonly yes` and
 * `appendfsync always`; level B with replicas, Sentinel or Cluster (a failover may lose the newest writes) and with less
 * durability; level C with an evicting `maxmemory-policy`, which is refused unless forced.
 *
 * Commands that leave late, or twice, are harmless: each names a holder that is used for one attempt only.
 */

import { type Clock, systemClock } from '../clock.ts'
import { badOption } from '../errors.ts'
import type { LeaseStore } from '../store.ts'
import { Calls, type Settings } from './redis/calls.ts'
import type { RedisClient } from './redis/client.ts'
import { prefixOf } from './redis/keys.ts'
import { type Wires, wiresOf } from './redis/wire.ts'

export type { RedisClient } from './redis/client.ts'
export { examine } from './redis/examine.ts'
export { type Command, type FencedOptions, type FencedTenure, fenced } from './redis/fenced.ts'

/** All are optional. */
export interface RedisOptions {
  /** What precedes all keys and the channel; without braces. @default the `keyPrefix` of the client */
  readonly keyPrefix?: string | undefined
  /**
   * So many replicas have to have a win or a renewal before it counts (`WAIT`): a failover then loses it less easily,
   * and still may. Not for a Cluster. @default 0
   */
  readonly replicas?: number | undefined
  /** Serve although the server may evict leases (level C): two candidates may then lead at once. @default false */
  readonly force?: boolean | undefined
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/**
 * A store for candidates anywhere that reach the same Redis. The client is only the pattern for connections of the
 * store's own (one for calls, one for news, none while nothing stands): it need not be connected, and is never closed.
 *
 * Throws a `TenureError` of code `bad-option`.
 */
export function redis(client: RedisClient, options: RedisOptions = {}): LeaseStore {
  const wires = wiresOf(client)
  const calls = new Calls(wires, settingsOf(options, wires))
  return {
    name: 'redis',
    acquire: (bid, signal) => calls.acquire(bid, signal),
    renew: (bid, signal) => calls.renew(bid, signal),
    release: (hold, signal) => calls.release(hold, signal),
    read: (election, signal) => calls.read(election, signal),
    watch: (election, changed, signal) => calls.watch(election, changed, signal),
    list: (signal) => calls.list(signal),
    memo: {
      read: (election, signal) => calls.recall(election, signal),
      write: (author, text, signal) => calls.remember(author, text, signal),
    },
    async close() {
      calls.close()
    },
  }
}

function settingsOf({ clock = systemClock, keyPrefix, replicas = 0, force = false }: RedisOptions, wires: Wires): Settings {
  if (keyPrefix !== undefined && typeof keyPrefix !== 'string') throw badOption('keyPrefix', 'a string without braces', keyPrefix)
  if (!Number.isSafeInteger(replicas) || replicas < 0) throw badOption('replicas', 'a whole number, at least 0', replicas)
  if (replicas > 0 && wires.topology === 'cluster') throw badOption('replicas', '0 for a Cluster', replicas)
  if (typeof force !== 'boolean') throw badOption('force', 'a boolean', force)
  return { clock, keyPrefix: prefixOf(keyPrefix ?? wires.keyPrefix), replicas, force }
}
