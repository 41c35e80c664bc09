/**
 * I12 Load: candidates ask no more often than their pauses allow, even while everything fails. Every call is bounded:
 * it settles, or is aborted, in its time.
 */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker, StoreCall } from '../witness.ts'

/** Timers are late, and a verdict may be deferred. */
const LATE_MS = 250

export function load(cluster: Cluster): Checker {
  const { world, timing } = cluster
  const began = new Map<Member, number>()
  const calls = new Map<Member, number>()
  // The shortest pause of all is that between failed renewals, jittered.
  const shortest = 0.5 * Math.min(100, 500, timing.ttlMs / 30)
  const overdue = (call: StoreCall): boolean => {
    const { host, clock } = call.member
    if (call.signal.aborted || !host.alive || host.blocked) return false
    const blocked = host.blockedMs - call.blockedBefore
    return clock.mono() - call.sentMono > timing.callMs + LATE_MS + blocked * 1.2
  }
  return {
    called({ member }) {
      const first = began.get(member) ?? world.now
      began.set(member, first)
      const count = (calls.get(member) ?? 0) + 1
      calls.set(member, count)
      const nudges = world.counts.get('nudged') ?? 0
      const most = 20 + (world.now - first) / shortest + 2 * nudges
      if (count > most) world.violated('I12', `${member.name} has called the store ${count} times in ${Math.round(world.now - first)} ms`)
    },
    turned(thorough) {
      if (!thorough) return
      const { reads, host } = cluster.bystander
      const changes = (world.counts.get('elected') ?? 0) + (world.counts.get('nudged') ?? 0)
      // Half of its pause, a third of a ttl, at the least; anew for each nudge, and once or twice as a lease ends.
      if (reads > 20 + (world.now * 6.5) / timing.ttlMs + 3 * changes) world.violated('I12', `${host.name} has read ${reads} times`)
      for (const { inFlight } of cluster.members) {
        for (const call of inFlight) {
          if (overdue(call)) world.violated('I12', `${call.member.name}: ${call.verb} of ${call.holder} is in the air without bound`)
          // Calls are kept in the order in which they left: what follows is younger.
          if (!call.signal.aborted) break
        }
      }
    },
  }
}
