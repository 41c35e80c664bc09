/** Leaving at awkward moments, being the only one left, and the end (I11, I13, I14). */

import type { Cluster } from '../cluster.ts'
import { boundsOf, stopAll } from './bounds.ts'

/** Everybody stops: nothing is held any more, and who observes hears of it. */
export async function vacancy(cluster: Cluster): Promise<void> {
  const { world, server, bystander } = cluster
  world.count('played:vacancy')
  await stopAll(cluster, cluster.members)
  for (const election of cluster.elections) {
    if (server.live(election)) return world.violated('I11', `${election} is held after everybody has stopped`)
  }
  const { lapse, call } = boundsOf(cluster)
  if (!(await world.until(() => bystander.leader === undefined, lapse + call + 100)))
    world.violated('I16', `the bystander takes ${bystander.leader} for the leader, and nobody leads`)
}

/** Stopped while its bid is in the air: whatever becomes of the bid, nothing is held when `stop()` has resolved. */
export async function stopInAcquire(cluster: Cluster): Promise<void> {
  const { world, timing, server } = cluster
  world.count('played:stopInAcquire')
  const bounds = boundsOf(cluster)
  for (const member of cluster.members.slice(0, 3)) {
    let left = false
    let stopped = false
    member.next.acquire = () => {
      left = true
      member.host.afterPending(() => void member.stop().then(() => (stopped = true)))
    }
    member.host.deliver(() => member.start())
    await world.until(() => left, bounds.call + 100)
    if (!(await world.until(() => stopped, 2 * timing.callMs + bounds.call + 300)))
      return world.violated('I11', `${member.name}: stop() does not resolve`)
    if (server.live(member.election)) return world.violated('I11', `${member.name} was stopped in an acquire, and holds ${member.election}`)
  }
}

/** Stopped while nobody knows what became of its bid, which was won: it is given back. */
export async function stopInDoubt(cluster: Cluster): Promise<void> {
  const { world, timing, network, server, members } = cluster
  const [member] = members
  if (!member) return
  const { call } = boundsOf(cluster)
  network.trap = (way, about, host) =>
    host === member.host && way === 'down' && about.election === member.election && about.granted ? Number.POSITIVE_INFINITY : 0
  world.count('played:stopInDoubt')
  let doubtful = false
  member.onTrouble = () => {
    doubtful = true
  }
  member.host.deliver(() => member.start())
  await world.until(() => doubtful, timing.callMs * 1.2 + call + 100)
  member.onTrouble = undefined
  network.trap = undefined
  await stopAll(cluster, [member])
  if (server.live(member.election)) world.violated('I11', `${member.name} was stopped in doubt, and still holds ${member.election}`)
}

/** A bid lands after its candidate has been stopped, and after its release: the late answer gives it back. */
export async function lateWin(cluster: Cluster): Promise<void> {
  const { world, timing, network, server, plan, members } = cluster
  const [member] = members
  // A store that hears that nobody waits never tells, and the lease lapses.
  if (!member || !plan.deaf || plan.profile === 'observed') return
  const { call } = boundsOf(cluster)
  const lateMs = timing.callMs * 2 + call
  let late = 0
  network.trap = (way, about, host) => {
    if (host !== member.host || way !== 'up' || about.purpose !== 'acquire' || about.election !== member.election || late > 0) return 0
    late += 1
    return lateMs
  }
  let stopped = false
  member.next.acquire = () => member.host.afterPending(() => void member.stop().then(() => (stopped = true)))
  member.host.deliver(() => member.start())
  if (!(await world.until(() => stopped, 2 * timing.callMs + call + 300)))
    return world.violated('I14', `${member.name}: stop() does not resolve`)
  await world.wait(lateMs + 3 * call)
  network.trap = undefined
  world.count('played:lateWin')
  if (server.live(member.election)) world.violated('I11', `${member.name} was told late that it had won, and has not given it back`)
}

/** Each candidate in turn is the only one left, and must lead: nobody is stuck. */
export async function survivors(cluster: Cluster): Promise<void> {
  const { world } = cluster
  const { handover: soon, call } = boundsOf(cluster)
  world.count('played:survivors')
  for (const member of cluster.members) {
    if (world.over) return
    member.host.deliver(() => member.start())
    const leads = () => cluster.leaderOf(member.election) === member
    if (!(await world.until(leads, 3 * call + 100)))
      return world.violated('I11', `${member.name} is the only one left and does not lead in ${Math.round(soon)} ms`)
    await stopAll(cluster, [member])
  }
}

/** I13: everybody has stopped, nothing is left. */
export async function end(cluster: Cluster): Promise<void> {
  const { bystander, world } = cluster
  world.count('played:end')
  cluster.stopping = true
  bystander.host.deliver(() => bystander.stop())
  for (const member of cluster.members) member.host.deliver(() => member.abort())
  await stopAll(cluster, cluster.members)
  await world.wait(boundsOf(cluster).call + cluster.timing.callMs)
  cluster.witness.tell('ended')
}
