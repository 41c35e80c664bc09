/**
 * I15 Life of a tenure: `elected` and `deposed` alternate; the signal is aborted before `deposed` is told; what has
 * ended, or was found over by a process that wakes, never holds again; and the end is told soon after the deadline
 * although nobody asks.
 */

import type { Tenure, TenureEnd } from '../../src/index.ts'
import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

/** The end may be noticed only by the next timer, which is never longer than `renewMs`. */
const LATE_MS = 300

export function life(cluster: Cluster): Checker {
  const { world, timing, server } = cluster
  const open = new Map<Member, Tenure>()
  /** Calls of `start()` that no `stopped` has answered. */
  const started = new Map<Member, number>()
  /** The work runs on, and the lease is left to lapse. */
  const overran = new Map<Member, Tenure>()
  const forgetful = new Set<Member>()
  /** Tenures that a process found over when it woke. */
  const over = new Set<Tenure>()
  const overdue = new Map<Member, { readonly since: number; readonly blockedMs: number }>()
  /** Whether the reason that is told for the end of a tenure is true. */
  const justified = (member: Member, tenure: Tenure, why: TenureEnd): void => {
    const { name, election, leaves } = member
    if ((why === 'expired' || why === 'superseded') && member.leftMs(tenure) > 0) {
      world.violated('I15', `${name} has something left of a lease that is ${why}`)
    }
    const wished = why === 'stopped' || why === 'stepped-down' || why === 'completed'
    if (wished && leaves !== why) world.violated('I15', `${name} ended as ${why}, and wanted ${leaves}`)
    const lost = (server.ledger.lossAt.get(election) ?? Number.NEGATIVE_INFINITY) > world.now - 3 * timing.ttlMs
    if (why === 'superseded' && !lost && server.row(election)?.fencingToken === tenure.fencingToken && server.live(election)) {
      world.violated('I15', `${name} takes itself for superseded, and holds the lease`)
    }
  }

  return {
    elected(member, tenure) {
      if (open.has(member)) world.violated('I15', `${member.name} is elected twice`)
      open.set(member, tenure)
      overran.delete(member)
      if (member.leftMs(tenure) > 0 && member.candidate.tenure !== tenure)
        world.violated('I15', `${member.name} is told of a tenure it does not have`)
    },
    renewed(member, tenure) {
      if (tenure !== member.latest || member.leftMs(tenure) <= 0)
        world.violated('I15', `${member.name} is told that a tenure was renewed which is over`)
    },
    deposed(member, tenure, why) {
      if (open.get(member) !== tenure) world.violated('I15', `${member.name} is deposed from a tenure it did not have`)
      open.delete(member)
      overdue.delete(member)
      if (!tenure.signal.aborted || tenure.held) world.violated('I15', `${member.name} is told of its end before the signal aborts`)
      if (member.candidate.isLeader || member.candidate.tenure)
        world.violated('I15', `${member.name} leads while it is told that it does not`)
      justified(member, tenure, why)
      forgetful.add(member)
    },
    overran(member) {
      if (member.latest) overran.set(member, member.latest)
      if (member.latest && member.leftMs(member.latest) > 0)
        world.violated('I15', `${member.name} has something left of a lease that is to lapse`)
    },
    called({ member, verb }) {
      if (verb === 'renew' && overran.has(member)) world.violated('I15', `${member.name} renews although its work has overrun`)
    },
    told(member, event) {
      if (event === 'stopped') {
        const left = (started.get(member) ?? 0) - 1
        started.set(member, left)
        if (left < 0) world.violated('I15', `${member.name} has stopped twice`)
      }
      const { dispatching } = member
      if ((event === 'elected' || event === 'deposed') && (dispatching === 'elected' || dispatching === 'deposed')) {
        world.violated('I15', `${member.name}: ${event} is told in the middle of ${dispatching}`)
      }
    },
    starting(member) {
      started.set(member, (started.get(member) ?? 0) + 1)
    },
    woke(host) {
      for (const { latest, leftMs } of cluster.membersOn(host)) if (latest && leftMs(latest) <= 0) over.add(latest)
    },
    turned() {
      if (over.size > 0) {
        for (const { latest, leftMs, name } of cluster.membersOn(world.actor)) {
          if (latest && over.has(latest) && leftMs(latest) > 0)
            world.violated('I15', `${name} has renewed its way back into a tenure that was over`)
        }
      }
      for (const member of forgetful) {
        if (!member.tenure && member.candidate.leader?.isMe)
          world.violated('I16', `${member.name} takes itself for the leader after its end`)
      }
      forgetful.clear()
    },
    surveyed() {
      for (const [member, tenure] of open) {
        const { host } = member
        if (!host.alive || host.blocked || member.leftMs(tenure) > 0) {
          if (!host.blocked) overdue.delete(member)
          continue
        }
        const first = overdue.get(member) ?? { since: world.now, blockedMs: host.blockedMs }
        overdue.set(member, first)
        const late = world.now - first.since - (host.blockedMs - first.blockedMs)
        if (late > timing.renewMs * 1.1 + LATE_MS)
          world.violated('I15', `${member.name} was not told within ${Math.round(late)} ms that its tenure is over`)
      }
    },
  }
}
