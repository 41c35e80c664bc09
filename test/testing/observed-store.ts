/**
 * A store without a clock: a lease is over for whoever has seen the same version of it for all of its ttl. For the laws
 * of observed expiry.
 */

import type { Clock } from '../../src/clock.ts'
import type { Lease, LeaseStore } from '../../src/store.ts'

interface Version {
  readonly holder: string
  readonly candidate: string
  readonly advert: string | undefined
  readonly fencingToken: number
  readonly ttlMs: number
  readonly released: boolean
}

export type Versions = Map<string, Version>

export function observedStore(versions: Versions, clock: Clock): LeaseStore {
  const seen = new Map<string, { readonly version: Version; readonly at: number }>()

  /** The version as this client sees it, with what is left of it by its own observation. */
  function look(election: string): Lease | undefined {
    const version = versions.get(election)
    if (!version || version.released) return undefined
    if (seen.get(election)?.version !== version) seen.set(election, { version, at: clock.mono() })
    const { holder, candidate, advert, fencingToken, ttlMs } = version
    const remainingMs = ttlMs - (clock.mono() - (seen.get(election)?.at ?? 0))
    return remainingMs > 0 ? { holder, candidate, advert, fencingToken, remainingMs } : undefined
  }

  return {
    name: 'observed',
    expiry: 'observed',
    async acquire(bid, signal) {
      signal.throwIfAborted()
      const last = versions.get(bid.election)
      if (last?.holder === bid.holder) return last.released ? undefined : { ...last, remainingMs: last.ttlMs }
      const lease = look(bid.election)
      if (lease) return lease
      const { holder, candidate, advert, ttlMs } = bid
      versions.set(bid.election, { holder, candidate, advert, fencingToken: (last?.fencingToken ?? 0) + 1, ttlMs, released: false })
      return look(bid.election)
    },
    async renew(bid, signal) {
      signal.throwIfAborted()
      const version = versions.get(bid.election)
      if (version?.holder !== bid.holder || version.released) return 0
      versions.set(bid.election, { ...version, ttlMs: bid.ttlMs })
      return bid.ttlMs
    },
    async release({ election, holder }, signal) {
      signal.throwIfAborted()
      const version = versions.get(election)
      if (version?.holder === holder) versions.set(election, { ...version, released: true })
    },
    async read(election, signal) {
      signal.throwIfAborted()
      return look(election)
    },
  }
}
