/**
 * I12 Pauses: those who fail together do not come back together. After an error a follower waits for a part of its
 * pause that is drawn anew each time; nobody who draws ever waits for nearly the whole of it a dozen times in a row.
 */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

/** One in four pauses, at most, is longer than this share: by the dice, and because timers are late. */
const LONG = 0.9
/** A quarter, so often, is nothing that will be seen. */
const ENOUGH = 12

interface Failure {
  readonly mono: number
  readonly nudges: number
}

export function pauses({ world, timing }: Cluster): Checker {
  const failed = new Map<Member, Failure>()
  const asked = new Map<Member, number>()
  let taken = 0
  let short = 0
  const nudges = () => world.counts.get('nudged') ?? 0
  const forget = (member: Member) => void failed.delete(member)
  return {
    starting: forget,
    stopping: forget,
    called({ member }) {
      const failure = failed.get(member)
      forget(member)
      if (failure && failure.nudges === nudges() && !member.host.blocked) {
        taken += 1
        if (member.clock.mono() - failure.mono < LONG * timing.retryMs) short += 1
      }
      asked.set(member, nudges())
    },
    answered({ member, verb, outcome, signal }) {
      // Where the pause cannot double, each is as long as the first.
      if (outcome !== 'rejected' || verb !== 'acquire' || signal.aborted || timing.retryMs < timing.ttlMs) return
      if (asked.get(member) === nudges()) failed.set(member, { mono: member.clock.mono(), nudges: nudges() })
    },
    ended() {
      if (taken >= ENOUGH && short === 0) world.violated('I12', `each of ${taken} pauses after an error was as long as it may be`)
    },
  }
}
