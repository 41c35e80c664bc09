/** Everything has healed: a leader emerges (I6), stays, and is known to all (I7, I12, I16). */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import { boundsOf, membersOf } from './bounds.ts'

/** I6: a leader emerges in time. */
export async function emerge(cluster: Cluster): Promise<void> {
  const { world } = cluster
  const { healing } = boundsOf(cluster)
  const healedAt = world.now
  world.count('played:emerge')
  for (const election of cluster.elections) {
    const standing = membersOf(cluster, election)
    // If all of them stand aside, the first to come back begins.
    const cool = Math.min(...standing.map((member) => Math.max(0, member.coolUntil - healedAt)))
    const left = healedAt + healing + cool - world.now
    if (!(await world.until(() => cluster.leaderOf(election) !== undefined, Math.max(0, left)))) {
      world.violated('I6', `${election} has no leader ${Math.round(world.now - healedAt)} ms after everything healed`)
      return
    }
  }
}

/** All is well and nothing happens: the leader stays, everybody knows it, and nobody asks too often. */
export async function quiet(cluster: Cluster): Promise<void> {
  const { world, timing, plan } = cluster
  const { call, lapse } = boundsOf(cluster)
  // Those who stood aside or drained have come back by then, and have looked once.
  const cool = Math.max(0, ...cluster.members.map((member) => member.coolUntil - world.now))
  await world.wait(Math.max(lapse, timing.retryMs * 1.2) + cool + call + 100)
  const leaders = cluster.elections.map((election) => cluster.leaderOf(election))
  const asked = countCalls(cluster)
  const forMs = timing.ttlMs * 1.2
  world.count('played:quiet')
  await world.wait(forMs)
  const { bystander } = cluster
  const [first] = leaders
  if (!bystander.told || bystander.leader !== first?.tenure?.fencingToken) {
    world.violated('I16', `the bystander takes ${bystander.leader} for the leader, not ${first?.tenure?.fencingToken}`)
  }
  for (const [i, election] of cluster.elections.entries()) {
    const leader = leaders[i]
    if (!leader || cluster.leaderOf(election) !== leader) world.violated('I7', `${election}: the leader changed while all was well`)
    for (const member of membersOf(cluster, election)) {
      const { host } = member
      if (member.answerless > 0) world.violated('I15', `${member.name}: start() has not resolved`)
      const wanted = cluster.members.filter((other) => other.host === host && other.eligible).length
      if (plan.watch !== 'none' && (cluster.clients.get(host)?.watches() ?? 0) < wanted)
        world.violated('I17', `${host.name} has lost a watch and armed no other`)
      const known = member.candidate.leader?.fencingToken
      if (known !== leader?.tenure?.fencingToken)
        world.violated('I16', `${member.name} takes ${known} for the leader, not ${leader?.tenure?.fencingToken}`)
      const calls = asked(member)
      const most = member === leader ? (forMs / timing.renewMs) * 1.2 + 3 : forMs / shortestLook(cluster) + 3
      if (calls > most) world.violated('I12', `${member.name} asked ${calls} times in ${Math.round(forMs)} ms of peace`)
    }
  }
}

function shortestLook({ timing }: Cluster): number {
  const { ttlMs, renewMs, retryMs, drift } = timing
  const untilFree = (ttlMs - renewMs) * (1 - 2 * drift) - 100
  // A watch may have been lost on its way, without a word.
  return Math.max(20, Math.min(untilFree, retryMs * 0.5) * 0.9)
}

function countCalls(cluster: Cluster): (member: Member) => number {
  const before = new Map(cluster.members.map((member) => [member, member.calls]))
  return (member) => member.calls - (before.get(member) ?? 0)
}
