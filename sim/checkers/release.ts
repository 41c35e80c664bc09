/**
 * I5 Release: a candidate releases only what it was given, and never while the work of that tenure runs; the store
 * frees a row only for its own holder.
 */

import type { Cluster } from '../cluster.ts'
import type { Checker } from '../witness.ts'

export function release({ world }: Cluster): Checker {
  /** Who holds, or held, what: `election token` by holder, as the store granted it. */
  const granted = new Map<string, string>()
  return {
    committed({ before, after, request }) {
      granted.set(after.holder, `${request.election} ${after.fencingToken}`)
      if (after.freed && before?.holder !== request.holder) {
        world.violated('I5', `${request.holder} released the lease of ${before?.holder}`)
      }
    },
    called({ member, verb, holder }) {
      const token = member.working?.fencingToken
      if (verb === 'release' && token !== undefined && granted.get(holder) === `${member.election} ${token}`) {
        world.violated('I5', `${member.name} releases token ${token} while its work runs`)
      }
    },
  }
}
