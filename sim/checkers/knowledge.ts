/**
 * I16 Knowledge: who leads, as a candidate tells it, never goes back to an older tenure. That everybody knows the leader
 * once all is well is asked in `episodes.ts`.
 */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

export function knowledge({ world, plan, server }: Cluster): Checker {
  const latest = new Map<Member, number>()
  // A read of the past, or a store that lost its last commits, may well show an older one.
  const past = plan.faults.some(({ kind }) => kind === 'stale')
  return {
    learned(member, fencingToken) {
      if (fencingToken === undefined) return
      const before = latest.get(member) ?? 0
      if (fencingToken < before && !past && !server.lossAt.has(member.election)) {
        world.violated('I16', `${member.name} hears of token ${fencingToken} after ${before}`)
      }
      latest.set(member, Math.max(before, fencingToken))
    },
  }
}
