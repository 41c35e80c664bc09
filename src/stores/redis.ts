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
import { badOption, TenureError } from '../errors.ts'
import type { Bid, Hold, Lease, LeaseStore } from '../store.ts'
import { grantsOf, leaseOf, releasedOf } from './redis/answers.ts'
import type { RedisClient } from './redis/client.ts'
import { failureOf } from './redis/failures.ts'
import { channelOf, keysOf, prefixOf } from './redis/keys.ts'
import { Link } from './redis/link.ts'
import { namesIn } from './redis/list.ts'
import { News } from './redis/news.ts'
import { type RenewMany, renewalsOf } from './redis/renewals.ts'
import { acquireScript, readScript, releaseScript, renewScript } from './redis/scripts.ts'
import { Standing } from './redis/standing.ts'
import { type Terms, termsOf } from './redis/terms.ts'
import { type Wire, type Wires, wiresOf } from './redis/wire.ts'

export type { RedisClient } from './redis/client.ts'

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
  const settings = settingsOf(options, wires)
  const { clock, keyPrefix, replicas, force } = settings
  let closed = false

  const link = new Link<Terms>(
    wires,
    clock,
    (wire) => termsOf(wires, wire),
    (reason) => news.lost(failureOf('watch', reason)),
  )
  const forever = new AbortController().signal
  const news = new News({
    clock,
    channel: channelOf(keyPrefix),
    open: (gone) => link.ask('', forever, (wire) => wire.ear((reason) => gone(failureOf('watch', reason)))),
  })
  const standing = new Standing(clock, () => link.cut())

  async function ask<T>(
    verb: string,
    election: string,
    signal: AbortSignal,
    question: (wire: Wire, terms: Terms) => Promise<T>,
  ): Promise<T> {
    try {
      if (closed) throw new Error('the store was closed')
      return await standing.during(link.ask(election, signal, question))
    } catch (thrown) {
      throw failureOf(verb, thrown)
    }
  }

  /** Only what is on so many replicas as well counts: otherwise nobody knows. */
  async function replicated(wire: Wire, { election, ttlMs }: Bid): Promise<void> {
    const { lease } = keysOf(keyPrefix, election)
    const count = Number(await wire.send(lease, ['WAIT', String(replicas), String(Math.ceil(ttlMs / 6))]))
    if (count >= replicas) return
    throw new TenureError('store-unreachable', `redis: ${count} of the ${replicas} replicas asked for have confirmed`)
  }

  const renewMany: RenewMany = (bids, signal) => {
    const keys = bids.map(({ election }) => keysOf(keyPrefix, election).lease)
    const args = bids.flatMap(({ holder, ttlMs }) => [holder, Math.floor(ttlMs)])
    const [first] = bids
    return ask('renew', first?.election ?? '', signal, async (wire) => {
      const grants = grantsOf(await renewScript.run(wire, keys, args, signal), bids.length)
      if (replicas > 0 && first && grants.some((grant) => typeof grant === 'number' && grant > 0)) await replicated(wire, first)
      return grants
    })
  }
  const renewal = renewalsOf(wires, clock, renewMany)

  return {
    name: 'redis',

    async acquire(bid, signal) {
      const { election, holder, candidate, ttlMs, advert } = bid
      const { lease, token } = keysOf(keyPrefix, election)
      const answer = await ask('acquire', election, signal, async (wire, { durable }) => {
        const args = [holder, Math.floor(ttlMs), candidate, durable ? 0 : 1, force ? 1 : 0, ...(advert === undefined ? [] : [advert])]
        const found = leaseOf('acquire', await acquireScript.run(wire, [lease, token], args, signal))
        if (replicas > 0 && found?.holder === holder) await replicated(wire, bid)
        return found
      })
      if (answer?.holder === holder) standing.held(holder, answer.remainingMs)
      return answer
    },

    async renew(bid, signal) {
      const grantedMs = await standing.during(renewal(bid, signal))
      if (grantedMs > 0) standing.held(bid.holder, grantedMs)
      else standing.over(bid.holder)
      return grantedMs
    },

    async release({ election, holder }: Hold, signal) {
      const { lease, token } = keysOf(keyPrefix, election)
      standing.over(holder)
      await ask('release', election, signal, async (wire) =>
        releasedOf(await releaseScript.run(wire, [lease, token], [holder, channelOf(keyPrefix), election], signal)),
      )
    },

    read(election, signal): Promise<Lease | undefined> {
      const { lease } = keysOf(keyPrefix, election)
      return ask('read', election, signal, async (wire) => leaseOf('read', await readScript.run(wire, [lease], [], signal)))
    },

    watch(election, changed, signal) {
      if (closed) return Promise.reject(failureOf('watch', new Error('the store was closed')))
      return standing.during(news.watch(election, changed, signal))
    },

    list(signal) {
      return ask('list', '', signal, (wire) => namesIn(wire, keyPrefix, signal))
    },

    async close() {
      closed = true
      const reason = new Error('the store was closed')
      news.lost(failureOf('watch', reason))
      link.cut()
    },
  }
}

function settingsOf({ clock = systemClock, keyPrefix, replicas = 0, force = false }: RedisOptions, wires: Wires) {
  if (keyPrefix !== undefined && typeof keyPrefix !== 'string') throw badOption('keyPrefix', 'a string without braces', keyPrefix)
  if (!Number.isSafeInteger(replicas) || replicas < 0) throw badOption('replicas', 'a whole number, at least 0', replicas)
  if (replicas > 0 && wires.topology === 'cluster') throw badOption('replicas', '0 for a Cluster', replicas)
  if (typeof force !== 'boolean') throw badOption('force', 'a boolean', force)
  return { clock, keyPrefix: prefixOf(keyPrefix ?? wires.keyPrefix), replicas, force }
}
