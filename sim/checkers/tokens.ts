/** I2 Tokens: they strictly grow over all tenures of an election, for ever, and each tenure bears the one it was given. */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Checker } from '../witness.ts'

export function tokens({ world }: Cluster): Checker {
  const largest = new Map<string, number>()
  const minted = new Set<string>()
  const worn = new Map<Member, number>()
  return {
    committed({ before, after, request }) {
      const { election } = request
      if (before && before.holder === after.holder) {
        if (before.fencingToken !== after.fencingToken)
          world.violated('I2', `the token of ${after.holder} changed while it held ${election}`)
        return
      }
      const last = largest.get(election) ?? 0
      if (after.fencingToken <= last) world.violated('I2', `token ${after.fencingToken} of ${election} follows ${last}`)
      largest.set(election, after.fencingToken)
      minted.add(`${election} ${after.fencingToken}`)
    },
    elected(member, { fencingToken }) {
      if (!minted.has(`${member.election} ${fencingToken}`)) world.violated('I2', `${member.name} leads with a token that nobody minted`)
      if (fencingToken <= (worn.get(member) ?? 0)) world.violated('I2', `${member.name} is elected anew with an old token`)
      worn.set(member, fencingToken)
    },
  }
}
