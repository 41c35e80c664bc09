/** I8 Lost: once a candidate has consumed the store's "ours no longer", however late, it never leads under that holder. */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

export function lost(cluster: Cluster): Checker {
  const { world } = cluster
  const tokens = new Map<string, number>()
  const told: { readonly member: Member; readonly holder: string }[] = []
  return {
    committed({ after }) {
      tokens.set(after.holder, after.fencingToken)
    },
    answered({ member, verb, holder, granted, outcome }) {
      if (verb === 'renew' && outcome === 'resolved' && granted === 0) told.push({ member, holder })
    },
    turned() {
      for (const { member, holder } of told) {
        if (member.tenure && tokens.get(holder) === member.tenure.fencingToken) {
          world.violated('I8', `${member.name} still leads after its renewal was refused`)
        }
      }
      told.length = 0
    },
  }
}
