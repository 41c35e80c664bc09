/** One small mishap must not cost the leader its lease (I7), nor tell news of yesterday (I14). */

import type { Cluster } from '../cluster.ts'
import { boundsOf, membersOf, stopAll } from './bounds.ts'

/** I7: one lost answer, then one lost request, to a renewal: the leader stays. */
export async function stability(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections } = cluster
  const pause = Math.min(500, timing.ttlMs / 30)
  const deadline = timing.ttlMs * (1 - 2 * timing.drift) - timing.marginMs
  // Where the settings leave no room for two failures, nothing is promised.
  if (timing.renewMs + 2 * (timing.callMs + pause) + 100 >= deadline || timing.callMs < boundsOf(cluster).call) return
  const leader = cluster.leaderOf(elections[0] ?? '')
  const token = leader?.tenure?.fencingToken
  for (const way of ['down', 'up'] as const) {
    let lost = 0
    network.trap = (going, { purpose, election }, host) => {
      if (lost > 0 || going !== way || host !== leader?.host || purpose !== 'renew' || election !== leader.election) return 0
      lost += 1
      return Number.POSITIVE_INFINITY
    }
    await world.wait(timing.renewMs * 1.1 + timing.ttlMs)
    network.trap = undefined
    if (leader?.tenure?.fencingToken !== token)
      return world.violated('I7', `one lost ${way === 'up' ? 'request' : 'answer'} cost ${leader?.name} the lease`)
  }
}

/** The loop is blocked while a renewal is answered: the answer is heard before its timer gives it up. */
export async function lateTimer(cluster: Cluster): Promise<void> {
  const { world, timing, elections, plan } = cluster
  const leader = cluster.leaderOf(elections[0] ?? '')
  const token = leader?.tenure?.fencingToken
  const deadline = timing.ttlMs * (1 - 2 * timing.drift) - timing.marginMs
  const blockMs = Math.ceil(timing.callMs * (1 + 2 * timing.drift) + 200)
  if (
    !leader ||
    plan.sloppy ||
    plan.profile === 'observed' ||
    timing.callMs < boundsOf(cluster).call ||
    timing.renewMs + blockMs + timing.callMs > deadline
  )
    return
  let blocked = false
  let troubles = 0
  leader.onRenew = () => {
    blocked = true
    leader.host.block(blockMs)
  }
  leader.onTrouble = () => (troubles += 1)
  await world.until(() => blocked, timing.renewMs * 1.2 + 100)
  await world.wait(blockMs + boundsOf(cluster).call)
  leader.onRenew = undefined
  leader.onTrouble = undefined
  if (troubles > 0) world.violated('I11', `${leader.name} gave up a renewal whose answer had come`)
  if (leader.tenure?.fencingToken !== token) world.violated('I7', `a short pause cost ${leader.name} the lease`)
}

/** A follower is stopped while an answer is on its way; when it comes, long after, nobody is told of it. */
export async function lateNews(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections, plan } = cluster
  const election = elections[0] ?? ''
  const follower = membersOf(cluster, election).find((member) => member !== cluster.leaderOf(election) && member.working === undefined)
  if (!follower || !plan.deaf) return
  const lateMs = timing.callMs * 3
  let late = 0
  await stopAll(cluster, [follower])
  network.trap = (way, about, host) => {
    if (host !== follower.host || way !== 'down' || about.purpose !== 'acquire' || about.election !== election || late > 0) return 0
    late += 1
    return lateMs
  }
  let asked = false
  follower.onAcquire = () => {
    asked = true
    follower.host.afterPending(() => void follower.stop())
  }
  follower.host.deliver(() => follower.start())
  await world.until(() => asked, 100)
  await world.wait(lateMs + boundsOf(cluster).call)
  network.trap = undefined
  follower.host.deliver(() => follower.start())
  // It asks, and may be in the middle of it when the next episode begins.
  await world.wait(boundsOf(cluster).call)
}
