/**
 * I1 Authority: whoever believes that it leads, or keeps a lease for its work to end in, has it in the store, at this
 * instant and for as long as it would go on believing if it heard nothing more, margin included. Much stronger than
 * looking for two leaders: every later overlap begins here.
 *
 * Exempt are what nobody can promise: grants from before a declared loss, for one ttl, or from before all clocks of the
 * process stood still.
 */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Commit } from '../stores/server.ts'
import type { Checker } from '../witness.ts'

/** Wall clocks in milliseconds since 1970 are exact to a quarter of a microsecond. */
const ROUNDING_MS = 0.01

export function authority(cluster: Cluster): Checker {
  const { world, server, timing } = cluster
  /** When each token of each election was last granted, in true time. */
  const grantedAt = new Map(cluster.elections.map((election) => [election, new Map<number, number>()]))

  const exempt = (member: Member, fencingToken: number): boolean => {
    const granted = grantedAt.get(member.election)?.get(fencingToken) ?? Number.NEGATIVE_INFINITY
    if (member.host.frozenUntil >= granted) return true
    const lossAt = server.ledger.lossAt.get(member.election)
    return lossAt !== undefined && lossAt >= granted && world.now <= lossAt + timing.ttlMs * (1 + 2 * timing.drift)
  }

  const check = (member: Member): void => {
    const tenure = member.latest
    if (!tenure || !member.host.alive) return
    const left = member.leftMs(tenure)
    if (left <= 0 || exempt(member, tenure.fencingToken)) return
    const until = member.host.now + (left + timing.marginMs) / member.host.time.fastest
    const row = server.row(member.election)
    if (row?.fencingToken !== tenure.fencingToken || row.freed) {
      world.violated(
        'I1',
        `${member.name} believes in token ${tenure.fencingToken} for ${Math.round(left)} ms, the store has ${row?.freed ? 'freed it' : row?.fencingToken}`,
      )
    } else if (server.safeUntil(row) < until - ROUNDING_MS) {
      const early = (until - server.safeUntil(row)).toFixed(2)
      world.violated('I1', `${member.name} believes in token ${tenure.fencingToken} until ${early} ms after it can be taken`)
    }
  }

  return {
    turned() {
      // What the others believe has not changed, and what they have in the store only with a commit.
      for (const member of cluster.membersOn(world.actor)) check(member)
    },
    committed({ after, before, at, request }: Commit) {
      if (!after.freed) grantedAt.get(request.election)?.set(after.fencingToken, at)
      // A renewal that the holder does not know of yet changes nothing for the worse.
      if (before?.holder === after.holder && !after.freed) return
      for (const member of cluster.members) if (member.election === request.election) check(member)
    },
    claimed(member, leftMs) {
      const token = member.latest?.fencingToken ?? 0
      if (exempt(member, token)) return
      const row = server.row(member.election)
      const early = member.host.now > world.now
      if (leftMs <= 0 || row?.fencingToken !== token || (!early && !server.live(member.election))) {
        world.violated('I1', `${member.name} says that it leads with token ${token}, the store has ${row?.fencingToken}`)
      }
    },
  }
}
