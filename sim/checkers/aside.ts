/** I11 Aside: who has stepped down, or whose work has failed, does not bid before its cool-down is over, unless it was stopped. */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

/** Instants are rounded on their way through timers. */
const ROUNDING_MS = 1

export function aside({ world, timing }: Cluster): Checker {
  const until = new Map<Member, number>()
  /** Stopped in their present tenure, though perhaps not told of its end yet. */
  const stopped = new Set<Member>()
  return {
    elected: (member) => void stopped.delete(member),
    stopping(member) {
      stopped.add(member)
      until.delete(member)
    },
    deposed(member, _, why) {
      if (stopped.has(member)) return
      const mono = member.clock.mono()
      // After the first failure; more of them in a row make it longer.
      if (why === 'work-failed') until.set(member, mono + timing.retryMs * 0.5)
      if (why === 'stepped-down') until.set(member, mono + member.leastCoolMs)
    },
    called({ member, verb }) {
      const early = (until.get(member) ?? Number.NEGATIVE_INFINITY) - member.clock.mono()
      if (verb === 'acquire' && early > ROUNDING_MS)
        world.violated('I11', `${member.name} bids ${Math.round(early)} ms before its cool-down is over`)
    },
  }
}
