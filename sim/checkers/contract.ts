/**
 * I10 Contract: the store gives a live lease to nobody else, renews only what is alive and matches, and grants no more
 * than a ttl. It watches over the model of the store, and so over the mutants planted there.
 */

import type { Cluster } from '../cluster.ts'
import { expiryOf } from '../stores/rows.ts'
import type { Checker } from '../witness.ts'

export function contract({ world, timing, plan }: Cluster): Checker {
  return {
    committed({ before, beforeLive, after, request, now, answer }) {
      const { holder, verb } = request
      const observed = plan.profile === 'observed'
      if (before && before.holder !== after.holder && beforeLive && !observed) {
        world.violated('I10', `the live lease of ${before.holder} was given to ${after.holder}`)
      }
      if (before && before.holder === after.holder && before.freed && !after.freed)
        world.violated('I10', `${holder} got its lease back after releasing it`)
      if (verb === 'renew' && (before?.holder !== holder || !beforeLive))
        world.violated('I10', `${holder} renewed what was not its own, or over`)
      if (!observed && !after.freed && expiryOf(after) - now > timing.ttlMs + 0.01)
        world.violated('I10', `${holder} was granted more than a ttl`)
      if (answer.type === 'lease' && (answer.lease?.remainingMs ?? 0) > timing.ttlMs + 0.01)
        world.violated('I10', `more than a ttl is left, it says`)
      if (answer.type === 'granted' && answer.ms > timing.ttlMs) world.violated('I10', 'more than a ttl was granted')
    },
  }
}
