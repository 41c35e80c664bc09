/** I12 Load: candidates and observers ask no more often than their pauses allow, even while everything fails. */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

export function load(cluster: Cluster): Checker {
  const { world, timing } = cluster
  const began = new Map<Member, number>()
  // The shortest pause of all is that between failed renewals, jittered.
  const shortest = 0.5 * Math.min(100, 500, timing.ttlMs / 30)
  return {
    called({ member }) {
      const first = began.get(member) ?? world.now
      began.set(member, first)
      const nudges = world.counts.get('nudged') ?? 0
      const most = 20 + (world.now - first) / shortest + 2 * nudges
      if (member.calls > most)
        world.violated('I12', `${member.name} has called the store ${member.calls} times in ${Math.round(world.now - first)} ms`)
    },
    surveyed() {
      const { reads, host } = cluster.bystander
      const changes = (world.counts.get('elected') ?? 0) + (world.counts.get('nudged') ?? 0)
      // Half of its pause, a third of a ttl, at the least, or a second while nobody leads; a few times quickly for each
      // change, and once or twice as a lease ends.
      const pauses = world.now * (6.5 / timing.ttlMs + 2 / 1000)
      if (reads > 20 + pauses + 10 * changes) world.violated('I12', `${host.name} has read ${reads} times`)
    },
  }
}
