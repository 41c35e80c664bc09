/** What happens to processes: they are killed and started again, stand still, and are told to stop at awkward moments. */

import type { Cluster } from './cluster.ts'
import type { Spell } from './faults.ts'
import type { Host } from './process.ts'
import { endSessions } from './stores/mishaps.ts'

type Of<Kind extends Spell['kind']> = Extract<Spell, { kind: Kind }>

/** A process by its number, if it lives. */
export function hostOf(cluster: Cluster, number: number): Host | undefined {
  const host = number === cluster.plan.hosts ? cluster.bystander.host : cluster.hosts[number]
  return host?.alive ? host : undefined
}

/** Kill a process; returns how to start it again, with the same ids. */
export function crash(cluster: Cluster, number: number): (() => void) | undefined {
  const { world, network, server, plan } = cluster
  const host = hostOf(cluster, number)
  if (!host) return undefined
  world.note(host.name, 'killed')
  host.die()
  server.watchers.drop(host, false)
  // The kernel closes the connections of the dead, if the network lets it.
  const closed = () => endSessions(server, `${host.name}#`, false)
  if (plan.profile === 'connection') network.carry({ host, way: 'up', label: 'FIN', deliver: closed })
  return () => {
    if (cluster.hosts[number] === host) cluster.spawn(number)
  }
}

/** The monotonic clock stands still, and nothing runs; with `freeze` the wall clock, too. It ends by itself. */
export function standStill(cluster: Cluster, fault: Of<'suspend'> | Of<'freeze'>): undefined {
  const { world } = cluster
  const host = hostOf(cluster, fault.host)
  // A machine that sleeps already cannot fall asleep.
  if (!host || host.still || fault.forMs <= 0) return
  const frozen = fault.kind === 'freeze'
  host.still = true
  const from = host.now
  host.time.run(from, false, !frozen)
  if (frozen) host.frozenUntil = Number.POSITIVE_INFINITY
  host.block(fault.forMs)
  world.at(from + fault.forMs, () => {
    host.still = false
    host.time.run(world.now, true, true)
    if (frozen) host.frozenUntil = world.now
  })
}

/** Stop a candidate, at once or with a call in the air; returns how to let it stand again. */
export function stopAndStart(cluster: Cluster, fault: Of<'stop'>): () => void {
  const member = cluster.members[fault.slot]
  const { during } = fault
  const leave = () => {
    if (!member?.standing) return
    void member.stop()
    if (fault.twice) void member.stop()
  }
  member?.host.deliver(() => {
    // It may have waited until everything was well.
    if (cluster.calm) return undefined
    if (during === 'whatever') return leave()
    member.next[during] = () => {
      if (cluster.calm) return
      cluster.world.count(`stopDuring:${during}`)
      member.host.afterPending(leave)
    }
  })
  return () => {
    if (!member) return
    member.next = {}
    member.host.deliver(() => {
      if (!member.standing && !cluster.stopping) member.start()
    })
  }
}
