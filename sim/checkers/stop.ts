/**
 * I14 Stop: nothing is claimed after `stop()` was called, it is bounded, and after it resolved there is silence: no
 * event, no call but releases.
 */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

interface Stopping {
  readonly mono: number
  readonly blockedMs: number
  readonly working: boolean
}

/** A drain, and twice a call: the one in the air and the release; timers are late. */
const LATE_MS = 300

export function stop({ world, timing }: Cluster): Checker {
  const leaving = new Map<Member, Stopping>()
  const silent = new Set<Member>()
  const bound = (working: boolean) => (working ? timing.drainMs : 0) + 2 * timing.callMs + LATE_MS
  return {
    starting(member) {
      leaving.delete(member)
      silent.delete(member)
    },
    stopping(member) {
      if (leaving.has(member) && !silent.has(member)) return
      leaving.set(member, { mono: member.clock.mono(), blockedMs: member.host.blockedMs, working: member.working !== undefined })
    },
    stopped(member) {
      if (member.standing) return
      silent.add(member)
      const from = leaving.get(member)
      if (!from) return
      const took = member.clock.mono() - from.mono
      const blocked = (member.host.blockedMs - from.blockedMs) * 1.2
      if (took > bound(from.working) + blocked) world.violated('I14', `${member.name}: stop() took ${Math.round(took)} ms`)
      if (member.candidate.isLeader) world.violated('I14', `${member.name} leads after stop() resolved`)
    },
    told(member, event) {
      if (silent.has(member)) world.violated('I14', `${member.name}: event ${event} after stop() resolved`)
      if (leaving.has(member) && event === 'elected') world.violated('I14', `${member.name} is elected after stop()`)
    },
    called({ member, verb }) {
      if (leaving.has(member) && verb === 'acquire') world.violated('I14', `${member.name} bids after stop()`)
      if (silent.has(member) && verb !== 'release') world.violated('I14', `${member.name}: ${verb} after stop() resolved`)
    },
    surveyed() {
      for (const [member, from] of leaving) {
        if (silent.has(member) || member.standing || !member.host.alive || member.host.blocked) continue
        const took = member.clock.mono() - from.mono
        const blocked = (member.host.blockedMs - from.blockedMs) * 1.2
        if (took > bound(from.working) + blocked + 1000)
          world.violated('I14', `${member.name}: stop() has not resolved in ${Math.round(took)} ms`)
      }
    },
  }
}
