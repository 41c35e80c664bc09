/**
 * I3 Fenced resource: what it admits never goes back to an older token, and a write that was begun in time and lands
 * within the margin is never refused.
 */

import type { Cluster } from '../cluster.ts'
import type { Checker } from '../witness.ts'

export function fenced({ world, server, timing }: Cluster): Checker {
  const largest = new Map<string, number>()
  /** Tokens whose lease was given back: work that does not await its writes gives up what it was promised. */
  const freed = new Set<string>()
  return {
    committed({ after, request }) {
      if (after.freed) freed.add(`${request.election} ${after.fencingToken}`)
    },
    landed({ member, fencingToken, safeUntil, admitted }) {
      const { election, host } = member
      const last = largest.get(election) ?? 0
      if (admitted) {
        if (fencingToken < last) world.violated('I3', `a write with token ${fencingToken} was admitted after one with ${last}`)
        largest.set(election, Math.max(last, fencingToken))
        return
      }
      const lossAt = server.ledger.lossAt.get(election) ?? Number.NEGATIVE_INFINITY
      // A connection dies with its process, and its writes may be under way.
      const lost = safeUntil - timing.ttlMs * 2 <= lossAt || host.frozenUntil > Number.NEGATIVE_INFINITY || !host.alive
      // A store that was set back may know an older tenure again, and keep it: its writes are refused for good.
      const setBack = server.ledger.setBack.has(election) && last > (server.row(election)?.fencingToken ?? 0)
      if (!lost && !setBack && !freed.has(`${election} ${fencingToken}`) && world.now < safeUntil)
        world.violated('I3', `${member.name}: a write in time, with token ${fencingToken}, was refused`)
    },
  }
}
