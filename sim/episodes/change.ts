/** One leader after the other, as planned and as not planned (I11). */

import type { Cluster } from '../cluster.ts'
import { crash } from '../lives.ts'
import { boundsOf, membersOf, stopAll } from './bounds.ts'

/** I11: a planned handover is quick, and leaves nobody out for good. */
export async function handover(cluster: Cluster): Promise<void> {
  const { world, timing, elections } = cluster
  const election = elections[0] ?? ''
  const leader = cluster.leaderOf(election)
  if (!leader || membersOf(cluster, election).length < 2) return
  const bounds = boundsOf(cluster)
  world.count('played:handover')
  const began = world.now
  let done = false
  leader.host.deliver(() => void leader.stepDown(timing.ttlMs).then(() => (done = true)))
  if (!(await world.until(() => done, 2 * timing.callMs + bounds.call + 300)))
    return world.violated('I11', `${leader.name}: stepDown() does not resolve`)
  const next = () => cluster.leaderOf(election) !== undefined
  if (!(await world.until(next, bounds.handover))) return world.violated('I11', `${election}: no leader soon after a handover`)
  const soon = world.now - began < timing.ttlMs * 0.9
  if (cluster.leaderOf(election) === leader && soon) world.violated('I11', `${leader.name} stepped down and leads again at once`)
}

/** Work that drains for more than a ttl: renewed throughout, released after, nobody else leads meanwhile. */
export async function longDrain(cluster: Cluster): Promise<void> {
  const { world, timing, elections } = cluster
  const election = elections[0] ?? ''
  const leader = cluster.leaderOf(election)
  const lingerMs = Math.min(timing.ttlMs * 1.5, timing.drainMs * 0.8)
  if (!leader?.working || world.seed % 3 !== 0) return
  world.count('played:longDrain')
  const tenure = leader.tenure
  leader.orders = { lingerMs }
  leader.host.deliver(() => void leader.stepDown(0))
  await world.wait(boundsOf(cluster).call)
  leader.orders = undefined
  const drained = await world.until(() => {
    const draining = tenure !== undefined && leader.working === tenure
    if (draining && leader.leftMs(tenure) <= 0) world.violated('I11', `${leader.name} lost its lease while it drained`)
    const rival = cluster.members.some((member) => member.election === election && member.tenure && member.tenure !== tenure)
    if (draining && rival) world.violated('I11', `somebody leads while ${leader.name} drains`)
    return !draining
  }, lingerMs * 1.3)
  if (!drained) return world.violated('SIM', `${leader.name} drains for ever`)
  if (!(await world.until(() => cluster.leaderOf(election) !== undefined, boundsOf(cluster).handover))) {
    world.violated('I11', `${election}: no leader after a long drain`)
  }
}

/** The answer to the winning bid is lost: the bidder asks again, and leads. */
export async function lostAcquire(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections } = cluster
  const election = elections[0] ?? ''
  const leader = cluster.leaderOf(election)
  const bounds = boundsOf(cluster)
  if (!leader) return
  world.count('played:lostAcquire')
  let lost = 0
  let bidder = ''
  network.trap = (way, about, host) => {
    if (lost > 0 || way !== 'down' || about.purpose !== 'acquire' || about.election !== election || !about.granted) return 0
    lost += 1
    bidder = host.name
    return Number.POSITIVE_INFINITY
  }
  await stopAll(cluster, [leader])
  await world.until(() => lost > 0, bounds.handover)
  // A bid that met somebody else's counts as a failure already, and failures double the pause.
  const pause = Math.min(2 * timing.retryMs, Math.max(timing.retryMs, timing.ttlMs))
  const adopts = timing.callMs + pause * (1 + 2 * timing.drift) + bounds.call
  const quick = adopts < (timing.ttlMs * (1 - 2 * timing.drift) - timing.marginMs) * 0.95
  const most = quick ? adopts + 2 * bounds.call : bounds.healing
  const there = await world.until(() => cluster.leaderOf(election) !== undefined, lost > 0 ? most : bounds.healing)
  network.trap = undefined
  const others = membersOf(cluster, election).filter((member) => member !== leader)
  if (!there && others.length > 0)
    world.violated('I11', `${election}: no leader ${Math.round(most)} ms after the answer to ${bidder} was lost`)
  if (there) world.count(quick ? 'lostAcquireAdopted' : 'lostAcquireLapsed')
  leader.host.deliver(() => leader.start())
  await world.until(() => cluster.leaderOf(election) !== undefined, bounds.healing)
}

/** The leader is killed: somebody else leads once its lease is over. */
export async function failover(cluster: Cluster): Promise<void> {
  const { world, elections } = cluster
  const election = elections[0] ?? ''
  const leader = cluster.leaderOf(election)
  if (!leader || world.seed % 2 !== 0) return
  world.count('played:failover')
  const restart = crash(cluster, leader.host.number)
  restart?.()
  const there = await world.until(() => cluster.elections.every((name) => cluster.leaderOf(name) !== undefined), boundsOf(cluster).healing)
  if (!there) world.violated('I11', `${election}: no leader after ${leader.name} was killed`)
}
