/** Answers that come when the world has moved on: they decide nothing, and are no news (I14, I15, I16). */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'
import type { Way } from '../network.ts'
import { preempt } from '../stores/mishaps.ts'
import { boundsOf, membersOf, stopAll } from './bounds.ts'

/** A follower that has just been started; its first messages of a bid, each way, will be so late. */
async function startLate(cluster: Cluster, follower: Member, late: { readonly [W in Way]?: number }): Promise<void> {
  const { world, network } = cluster
  await stopAll(cluster, [follower])
  const left = { ...late }
  network.trap = (way, about, host) => {
    if (host !== follower.host || about.purpose !== 'acquire' || about.election !== follower.election) return 0
    const lateMs = left[way] ?? 0
    delete left[way]
    return lateMs
  }
  let asked = false
  follower.next.acquire = () => (asked = true)
  follower.host.deliver(() => follower.start())
  await world.until(() => asked, 100)
}

function followerOf(cluster: Cluster, leader: Member | undefined): Member | undefined {
  return leader && membersOf(cluster, leader.election).find((member) => member !== leader && member.working === undefined)
}

/** A follower is stopped while its bid is on its way; when the answer comes, long after, nobody is told of it. */
export async function lateNews(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections, plan } = cluster
  const leader = cluster.leaderOf(elections[0] ?? '')
  const follower = followerOf(cluster, leader)
  if (!leader || !follower || !plan.deaf) return
  const { call, handover } = boundsOf(cluster)
  const lateMs = timing.callMs * 2 + handover + call
  await startLate(cluster, follower, { up: lateMs })
  follower.host.deliver(() => void follower.stop())
  // What it will be told is new to it.
  leader.host.deliver(() => void leader.stepDown(0))
  await world.wait(lateMs + 2 * call)
  network.trap = undefined
  world.count('played:lateNews')
  follower.host.deliver(() => follower.start())
  await world.until(() => cluster.leaderOf(leader.election) !== undefined, boundsOf(cluster).healing)
}

/** A follower hears who led when it asked, long after; meanwhile it leads itself, or has heard of somebody else. */
export async function yesterday(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections, plan } = cluster
  const leader = cluster.leaderOf(elections[0] ?? '')
  const follower = followerOf(cluster, leader)
  if (!leader || !follower || !plan.deaf || world.seed % 2 === 0) return
  const { election } = leader
  const { call, handover } = boundsOf(cluster)
  // By then it has asked again, and heard something newer.
  const lateMs = timing.callMs + Math.max(handover, timing.retryMs * (1 + 2 * timing.drift)) + 4 * call
  await startLate(cluster, follower, { down: lateMs })
  await world.wait(call)
  leader.host.deliver(() => void leader.stepDown(timing.ttlMs * 2))
  await world.wait(lateMs - 2 * call)
  const next = cluster.leaderOf(election)
  await world.wait(3 * call)
  network.trap = undefined
  world.count('played:yesterday')
  if (next && cluster.leaderOf(election) !== next) world.violated('I11', `${next.name} was deposed by an old answer`)
  await startAnew(cluster, leader)
}

/**
 * A follower asks, asks again because there was no answer, and the store hears the second question first: who led then
 * is no news to somebody who has heard who leads now.
 */
export async function crossing(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections, plan, server } = cluster
  const leader = cluster.leaderOf(elections[0] ?? '')
  const follower = followerOf(cluster, leader)
  const { call, lapse, healing } = boundsOf(cluster)
  // With less time it asks for a third time before both answers have come.
  if (!leader || !follower || !plan.deaf || world.seed % 2 === 1 || 7 * call > timing.callMs) return
  world.count('played:crossing')
  const retryMs = timing.retryMs * (1 + 2 * timing.drift)
  const secondMs = timing.callMs + retryMs + 2 * call
  await startLate(cluster, follower, { up: secondMs + call, down: retryMs * 0.5 + 5 * call })
  await world.wait(secondMs)
  preempt(server, world, leader.election, timing.ttlMs)
  await world.wait(retryMs * 0.5 + 6 * call)
  network.trap = undefined
  await world.wait(lapse)
  await world.until(() => cluster.leaderOf(leader.election) !== undefined, healing)
}

/** It stands aside no longer, and no error makes it wait. */
async function startAnew(cluster: Cluster, member: Member): Promise<void> {
  await stopAll(cluster, [member])
  member.host.deliver(() => member.start())
  await cluster.world.until(() => cluster.leaderOf(member.election) !== undefined, boundsOf(cluster).healing)
}

/**
 * An observer's look is slow, and the leader renews while it is under way; then the leader is cut off. Whoever takes
 * its lease has counted from when the look returned, not from when it was asked for.
 */
export async function slowLook(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections, plan, server } = cluster
  const leader = cluster.leaderOf(elections[0] ?? '')
  const follower = followerOf(cluster, leader)
  const { call, healing } = boundsOf(cluster)
  // Any earlier, and drift and margin would hide it.
  const lateMs = timing.marginMs + 2 * timing.drift * timing.ttlMs + 3 * call + 50
  if (!leader || !follower || plan.profile !== 'observed' || plan.watch === 'none' || lateMs > timing.callMs * 0.9) return
  await startLate(cluster, follower, { up: lateMs })
  await world.wait(lateMs - 2 * call)
  server.watchers.nudge(leader.host, 1)
  await world.wait(2 * call + 10)
  network.trap = (way, about, host) =>
    host === leader.host && way === 'up' && about.election === leader.election ? Number.POSITIVE_INFINITY : 0
  const taken = () => {
    const next = cluster.leaderOf(leader.election)
    return next !== undefined && next !== leader
  }
  const there = await world.until(taken, healing + timing.ttlMs)
  network.trap = undefined
  world.count('played:slowLook')
  if (!there) return world.violated('I11', `${leader.election}: nobody leads although ${leader.name} is cut off`)
  await startAnew(cluster, leader)
}
