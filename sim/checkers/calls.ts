/**
 * I12 Calls: each is bounded, and given up neither late nor early; a renewal has half of what is left, and is not even
 * tried where that is too little for an answer to count.
 */

import type { Cluster } from '../cluster.ts'
import type { Checker, StoreCall } from '../witness.ts'

/** Timers are late, and a verdict may be deferred. */
const LATE_MS = 250
/** A call that nobody waits for is given up by a timer alone, and timers are early by up to a millisecond. */
const EARLY_MS = 1
const LEAST_CALL_MS = 20
const ROUNDING_MS = 0.01

export function calls(cluster: Cluster): Checker {
  const { world, timing } = cluster
  const limitOf = ({ leftMs = Number.POSITIVE_INFINITY }: StoreCall): number => Math.min(timing.callMs, leftMs / 2)
  const ageOf = ({ member, sentMono }: StoreCall): number => member.clock.mono() - sentMono
  const isLate = (call: StoreCall): boolean => {
    const { host } = call.member
    const limit = call.exact ? limitOf(call) : timing.callMs
    return ageOf(call) > limit + LATE_MS + (host.blockedMs - call.blockedBefore) * 1.2
  }
  /** The call was given up in this turn. */
  const givenUp = (call: StoreCall): void => {
    if (call.givenUp || !call.signal.aborted) return
    call.givenUp = true
    const { member, verb, exact } = call
    const early = limitOf(call) - ageOf(call)
    if (exact && early > (verb === 'release' ? EARLY_MS : ROUNDING_MS))
      world.violated('I12', `${member.name}: ${verb} was given up ${early.toFixed(2)} ms before its time`)
    if (isLate(call)) world.violated('I12', `${member.name}: ${verb} was given up after ${Math.round(ageOf(call))} ms`)
  }

  return {
    called(call) {
      const { member, verb, exact } = call
      if (verb === 'renew' && exact && limitOf(call) < Math.min(LEAST_CALL_MS, timing.callMs) - ROUNDING_MS)
        world.violated('I12', `${member.name} renews with ${call.leftMs?.toFixed(1)} ms left, too late for an answer to count`)
    },
    answered: givenUp,
    turned() {
      for (const { inFlight } of cluster.membersOn(world.actor)) for (const call of inFlight) givenUp(call)
    },
    surveyed() {
      for (const { inFlight, host, name } of cluster.members) {
        for (const call of inFlight) {
          if (!call.signal.aborted && host.alive && !host.blocked && isLate(call))
            world.violated('I12', `${name}: ${call.verb} of ${call.holder} is in the air without bound`)
        }
      }
    },
  }
}
