/** One small mishap must not cost the leader its lease (I7), and a larger one must not go unnoticed (I15). */

import type { Cluster } from '../cluster.ts'
import { standStill } from '../lives.ts'
import { boundsOf } from './bounds.ts'

/** I7: one lost answer, then one lost request, to a renewal: the leader stays. */
export async function stability(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections } = cluster
  const pause = Math.min(500, timing.ttlMs / 30)
  const deadline = timing.ttlMs * (1 - 2 * timing.drift) - timing.marginMs
  // Where the settings leave no room for two failures, nothing is promised.
  if (timing.renewMs + 2 * (timing.callMs + pause) + 100 >= deadline || timing.callMs < boundsOf(cluster).call) return
  const leader = cluster.leaderOf(elections[0] ?? '')
  const token = leader?.tenure?.fencingToken
  world.count('played:stability')
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
  world.count('played:lateTimer')
  let blocked = false
  let troubles = 0
  leader.next.renew = () => {
    blocked = true
    leader.host.block(blockMs)
  }
  leader.onTrouble = () => (troubles += 1)
  await world.until(() => blocked, timing.renewMs * 1.2 + 100)
  await world.wait(blockMs + boundsOf(cluster).call)
  leader.next = {}
  leader.onTrouble = undefined
  if (troubles > 0) world.violated('I11', `${leader.name} gave up a renewal whose answer had come`)
  if (leader.tenure?.fencingToken !== token) world.violated('I7', `a short pause cost ${leader.name} the lease`)
}

/** I7: clocks of people's machines are set right: the wall clocks of followers leap, that of the leader falls back. */
export async function clockSteps(cluster: Cluster): Promise<void> {
  const { world, timing, elections, plan } = cluster
  if (world.seed % 2 === 1) return
  const leaders = elections.map((election) => cluster.leaderOf(election))
  const leading = new Set(leaders.map((leader) => leader?.host))
  for (const host of cluster.hosts) host.time.stepWall(world.now, leading.has(host) ? -STEP_MS : STEP_MS)
  cluster.bystander.host.time.stepWall(world.now, STEP_MS)
  await world.wait(timing.ttlMs * 1.2)
  world.count('played:clockSteps')
  for (const [i, election] of elections.entries()) {
    if (cluster.leaderOf(election) !== leaders[i])
      world.violated('I7', `${election}: a step of a wall clock (${plan.profile}) cost ${leaders[i]?.name} the lease`)
  }
}

const STEP_MS = 3_600_000

/** The leader's machine sleeps for a third of what is left, and wakes without a network: the wall clock ends the tenure (I15). */
export async function nap(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections } = cluster
  const leader = cluster.leaderOf(elections[0] ?? '')
  const tenure = leader?.tenure
  if (!leader || !tenure || world.seed % 2 === 0) return
  const { call, healing, lapse } = boundsOf(cluster)
  const sleepMs = Math.floor(leader.leftMs(tenure) / 3)
  network.trap = (way, _, host) => (way === 'up' && host === leader.host ? Number.POSITIVE_INFINITY : 0)
  standStill(cluster, { kind: 'suspend', host: leader.host.number, at: world.now, forMs: sleepMs })
  // An answer may have waited for it.
  await world.wait(sleepMs + call)
  // By then a renewal that was due, or in the air, has failed.
  const leftMs = Math.max(leader.leftMs(tenure), timing.renewMs) * (1 + 2 * timing.drift)
  const told = await world.until(() => leader.tenure !== tenure, leftMs + call)
  network.trap = undefined
  world.count('played:nap')
  if (!told) return world.violated('I15', `${leader.name} slept, and is not told of the end of its lease`)
  const led = () => elections.every((election) => cluster.leaderOf(election))
  if (!(await world.until(led, healing + lapse))) world.violated('I11', `nobody leads although ${leader.name} has woken`)
  // Whoever was cut off still waits after its errors.
  await world.wait(healing)
}
