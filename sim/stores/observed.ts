/**
 * A store whose leases end by observation: the server only compares and sets, and each client decides, by its own
 * monotonic clock, that a row which has not changed for its own ttl is over. It may assume nothing of the clocks of
 * others, and must count from when a read *returned*.
 */

import type { Bid, Lease, LeaseStore } from '../../src/store.ts'
import type { Row } from './rows.ts'
import type { Ask, Parts, Question } from './wire.ts'

type Purpose = Question['purpose']

interface Seen {
  readonly version: number
  readonly since: number
}

/** Holds of this process, by the version they wrote last: a guess that saves a read. */
export function observing(ask: Ask, { host, plan }: Parts): Pick<LeaseStore, 'acquire' | 'renew' | 'release' | 'read'> {
  const seen = new Map<string, Seen>()
  const mono = () => host.time.mono(host.now)
  const { ttlMs } = plan.timing

  const get = async (election: string, purpose: Purpose, signal: AbortSignal): Promise<Row | undefined> => {
    const answer = await ask({ verb: 'get', purpose, election, holder: '', candidate: '', advert: undefined, ttlMs }, signal)
    const row = answer.type === 'row' ? answer.row : undefined
    const version = row?.version ?? 0
    if (seen.get(election)?.version !== version) seen.set(election, { version, since: mono() })
    return row
  }
  const put = async (bid: Bid, purpose: Purpose, version: number, row: Row, signal: AbortSignal): Promise<boolean> => {
    const answer = await ask({ ...bid, advert: bid.advert, verb: 'put', purpose, version, row }, signal)
    return answer.type === 'put' && answer.version !== undefined
  }
  const leftOf = (election: string, row: Row): number => {
    const since = seen.get(election)?.since ?? mono()
    return Math.max(0, row.ttlMs - (mono() - since))
  }
  const leaseOf = (election: string, row: Row | undefined): Lease | undefined => {
    if (!row || row.freed) return undefined
    const { holder, candidate, advert, fencingToken } = row
    return { holder, candidate, advert, fencingToken, remainingMs: leftOf(election, row) }
  }
  const rowOf = (bid: Bid, fencingToken: number): Row => ({
    holder: bid.holder,
    candidate: bid.candidate,
    advert: bid.advert,
    fencingToken,
    ttlMs: bid.ttlMs,
    acquiredAt: 0,
    expiresAt: Number.POSITIVE_INFINITY,
    freed: false,
    session: undefined,
    version: 0,
    writtenAt: 0,
  })

  return {
    async acquire(bid, signal) {
      const row = await get(bid.election, 'acquire', signal)
      if (row?.holder === bid.holder) return row.freed ? undefined : { ...row, remainingMs: bid.ttlMs }
      if (row && !row.freed && leftOf(bid.election, row) > 0) return leaseOf(bid.election, row)
      const fencingToken = Math.max((row?.fencingToken ?? 0) + 1, Math.floor(host.time.wall(host.now) * 1000))
      const next = rowOf(bid, fencingToken)
      if (await put(bid, 'acquire', row?.version ?? 0, next, signal)) return { ...next, remainingMs: bid.ttlMs }
      return leaseOf(bid.election, await get(bid.election, 'acquire', signal))
    },
    async renew(bid, signal) {
      for (;;) {
        const row = await get(bid.election, 'renew', signal)
        if (row?.holder !== bid.holder || row.freed) return 0
        if (await put(bid, 'renew', row.version, { ...row, ttlMs: bid.ttlMs }, signal)) return bid.ttlMs
      }
    },
    async release(hold, signal) {
      for (;;) {
        const row = await get(hold.election, 'release', signal)
        if (row?.holder !== hold.holder || row.freed) return
        const bid: Bid = { ...hold, candidate: '', ttlMs }
        if (await put(bid, 'release', row.version, { ...row, freed: true }, signal)) return
      }
    },
    read: async (election, signal) => leaseOf(election, await get(election, 'read', signal)),
  }
}
