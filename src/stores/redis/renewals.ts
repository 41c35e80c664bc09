/**
 * Many renewals in few scripts. A script stops the whole server while it runs, so that one holds no more than takes a
 * few milliseconds; in a Cluster, where a script reaches one slot only, each renewal goes by itself.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Bid } from '../../store.ts'
import { Coalescer } from '../shared/coalesce.ts'
import type { Wires } from './wire.ts'

/** 10,000 keys in one script stopped a server for 81 ms. */
const MOST = 400
/** Scripts sent at once: the server serves others only between what it has read of one connection. */
const AT_ONCE = 4

/** What was granted, in milliseconds, or what was wrong with that key. */
export type Grant = number | TenureError

/** One script for these renewals: as many answers, in their order. */
export type RenewMany = (bids: readonly Bid[], signal: AbortSignal) => Promise<readonly Grant[]>

export function renewalsOf(wires: Wires, clock: Clock, renewMany: RenewMany): (bid: Bid, signal: AbortSignal) => Promise<number> {
  const alone = async (bid: Bid, signal: AbortSignal): Promise<number> => {
    const [grant = 0] = await renewMany([bid], signal)
    if (typeof grant === 'number') return grant
    throw grant
  }
  if (wires.topology === 'cluster') return alone
  const coalescer = new Coalescer<Bid, number>({
    nameOf: ({ election }) => election,
    many: async (bids, signal) => (await renewMany(bids, signal)).map((grant) => (typeof grant === 'number' ? grant : undefined)),
    alone,
    turn: (leave) => clock.afterPending(leave),
    most: MOST,
    atOnce: AT_ONCE,
    // A server that was not reached for all is not reached for each.
    splits: (error) => !(error instanceof TenureError && error.code === 'store-unreachable'),
  })
  return (bid, signal) => coalescer.ask(bid, signal)
}
