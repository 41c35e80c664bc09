/**
 * I16 Knowledge: who leads, as a candidate tells it, never goes back to an older tenure. That everybody knows the leader
 * once all is well is asked in `episodes/`.
 */

import type { Cluster } from '../cluster.ts'
import type { Checker } from '../witness.ts'

export function knowledge({ world, plan, server }: Cluster): Checker {
  const latest = new Map<object, number>()
  // A read of the past, or a store that lost its last commits, may well show an older one.
  const past = plan.faults.some(({ kind }) => kind === 'stale')
  const heard = (who: object, name: string, election: string, fencingToken: number | undefined): void => {
    if (fencingToken === undefined) return
    const before = latest.get(who) ?? 0
    if (fencingToken < before && !past && !server.ledger.setBack.has(election)) {
      world.violated('I16', `${name} hears of token ${fencingToken} after ${before}`)
    }
    latest.set(who, Math.max(before, fencingToken))
  }
  return {
    learned: (member, fencingToken) => heard(member, member.name, member.election, fencingToken),
    observed: (fencingToken) => heard(latest, 'the bystander', 'e0', fencingToken),
  }
}
