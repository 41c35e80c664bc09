/**
 * I12 Pauses: those who ask together do not come back together. A follower that polls, or has met an error, waits for a
 * part of its pause that is drawn anew each time; nobody who draws waits for nearly the whole of it a dozen times in a row.
 */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker, StoreCall } from '../witness.ts'

/** One in four pauses, at most, is longer than this share: by the dice, and because timers are late. */
const LONG = 0.9
/** A quarter, so often, is nothing that will be seen. */
const ENOUGH = 12

interface Pause {
  readonly mono: number
  readonly nudges: number
}

export function pauses({ world, timing, plan }: Cluster): Checker {
  const waiting = new Map<Member, Pause>()
  const asked = new Map<Member, number>()
  let taken = 0
  let short = 0
  const nudges = () => world.counts.get('nudged') ?? 0
  const forget = (member: Member) => void waiting.delete(member)
  /** Whether the pause that now begins is a share of `retryMs`, and nothing else. */
  const isShare = ({ verb, outcome, signal, rivalMs }: StoreCall): boolean => {
    if (verb !== 'acquire' && verb !== 'read') return false
    if (outcome === 'resolved') return !signal.aborted && plan.watch === 'none' && rivalMs !== undefined && rivalMs > timing.retryMs * 1.1
    // A deaf store rejects when the pause has begun already. And only where it cannot double is each as long as the first.
    return timing.retryMs >= timing.ttlMs && !(plan.deaf && signal.aborted)
  }
  return {
    starting: forget,
    stopping: forget,
    called({ member }) {
      const pause = waiting.get(member)
      forget(member)
      if (pause && pause.nudges === nudges() && !member.host.blocked) {
        taken += 1
        if (member.clock.mono() - pause.mono < LONG * timing.retryMs) short += 1
      }
      asked.set(member, nudges())
    },
    answered(call) {
      const { member } = call
      if (isShare(call) && asked.get(member) === nudges()) waiting.set(member, { mono: member.clock.mono(), nudges: nudges() })
    },
    ended() {
      if (taken >= ENOUGH && short === 0) world.violated('I12', `each of ${taken} pauses was as long as it may be`)
    },
  }
}
