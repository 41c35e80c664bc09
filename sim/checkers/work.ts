/**
 * I4 Work: the work of a candidate never overlaps itself, runs once per tenure, and only for a tenure that was told.
 * I9 Stale tenure: work never starts after the deadline.
 */

import type { Tenure } from '../../src/index.ts'
import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

export function work({ world }: Cluster): Checker {
  const running = new Map<Member, Tenure>()
  const done = new Set<Tenure>()
  return {
    workBegan(member, tenure) {
      if (running.has(member)) world.violated('I4', `${member.name}: work begins before the work of the last tenure has settled`)
      if (done.has(tenure)) world.violated('I4', `${member.name}: work runs twice in one tenure`)
      if (member.tenure !== tenure) world.violated('I4', `${member.name}: work begins outside of its tenure`)
      if (member.leftMs(tenure) <= 0) world.violated('I9', `${member.name}: work begins after the deadline`)
      running.set(member, tenure)
      done.add(tenure)
    },
    workEnded(member) {
      running.delete(member)
    },
    elected(member, tenure) {
      if (member.leftMs(tenure) <= 0) world.violated('I9', `${member.name} is elected after the deadline`)
      if (running.has(member)) world.violated('I4', `${member.name} is elected while the work of its last tenure runs`)
    },
  }
}
