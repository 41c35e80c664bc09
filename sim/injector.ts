/**
 * Makes the faults of a plan happen, and heals everything at the end of the horizon. Each fault is on its own: leaving
 * one out of the list leaves the others as they are.
 */

import type { Cluster } from './cluster.ts'
import type { Blow, Fault, Spell } from './faults.ts'
import type { Host } from './process.ts'

export function inject(cluster: Cluster): void {
  for (const fault of cluster.plan.faults) {
    if ('forMs' in fault) castSpell(cluster, fault)
    else if ('at' in fault) cluster.world.at(fault.at, () => strike(cluster, fault))
  }
}

function castSpell(cluster: Cluster, fault: Spell): void {
  const { world, plan } = cluster
  world.at(fault.at, () => {
    world.note('FAULT', describeFault(fault))
    world.count(`fault:${fault.kind}`)
    const end = begin(cluster, fault)
    const until = Math.min(fault.at + fault.forMs, plan.horizonMs)
    if (end) world.at(until, end)
  })
}

/** Begin a spell; returns how to end it. */
function begin(cluster: Cluster, fault: Spell): (() => void) | undefined {
  const { world, network, server, plan } = cluster
  switch (fault.kind) {
    case 'noise':
      return network.noise(fault)
    case 'cut':
      return network.cut(fault)
    case 'outage':
      server.outage = fault.silent ? 'silent' : 'refused'
      return () => {
        server.outage = undefined
      }
    case 'restart':
      // A register that counts its versions is level A: it forgets nothing.
      server.crash(plan.profile === 'observed' ? 0 : fault.lost)
      server.outage = 'refused'
      return () => {
        server.outage = undefined
      }
    case 'slow':
      server.slowMs = fault.ms
      return () => {
        server.slowMs = 0
      }
    case 'stale':
      server.staleMs = fault.ms
      return () => {
        server.staleMs = 0
      }
    case 'refuse':
      cluster.mayRefuse = true
      server.refusal = fault.code
      return () => {
        server.refusal = undefined
      }
    case 'pause':
      hostOf(cluster, fault.host)?.block(fault.forMs)
      return undefined
    case 'suspend':
    case 'freeze':
      return standStill(cluster, fault)
    case 'crash':
      return crash(cluster, fault.host)
    case 'stop':
      return stopAndStart(cluster, fault)
    default:
      world.violated('SIM', `no such fault: ${JSON.stringify(fault satisfies never)}`)
      return undefined
  }
}

function standStill(cluster: Cluster, fault: Extract<Spell, { kind: 'suspend' | 'freeze' }>): (() => void) | undefined {
  const { world } = cluster
  const host = hostOf(cluster, fault.host)
  // A machine that sleeps already cannot fall asleep.
  if (!host || host.still || fault.forMs <= 0) return undefined
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
  return undefined
}

export function crash(cluster: Cluster, number: number): (() => void) | undefined {
  const { world, network, server } = cluster
  const host = hostOf(cluster, number)
  if (!host) return undefined
  kill(cluster, host)
  return () => {
    if (cluster.hosts[number] === host) cluster.spawn(number)
  }

  function kill(_: Cluster, dying: Host): void {
    world.note(dying.name, 'killed')
    dying.die()
    server.watchers.drop(dying, false)
    // The kernel closes the connections of the dead, if the network lets it.
    if (cluster.plan.profile === 'connection')
      network.carry(dying, 'up', 'FIN', undefined, () => server.endSessions(`${dying.name}#`, false))
  }
}

function stopAndStart(cluster: Cluster, fault: Extract<Spell, { kind: 'stop' }>): () => void {
  const member = cluster.members[fault.slot]
  const leave = () => {
    if (!member?.standing) return
    void member.stop()
    if (fault.twice) void member.stop()
  }
  member?.host.deliver(() => {
    // It may have waited until everything was well.
    if (cluster.calm) return undefined
    if (!fault.inAcquire) return leave()
    // Not before its next bid has left.
    member.onAcquire = () => {
      if (cluster.calm) return
      cluster.world.count('stopInAcquire')
      member.host.afterPending(leave)
    }
  })
  return () => {
    if (!member) return
    member.onAcquire = undefined
    member.host.deliver(() => {
      if (!member.standing && !cluster.stopping) member.start()
    })
  }
}

function strike(cluster: Cluster, fault: Blow): void {
  const { world, server } = cluster
  world.note('FAULT', describeFault(fault))
  world.count(`fault:${fault.kind}`)
  switch (fault.kind) {
    case 'step-wall':
      return hostOf(cluster, fault.host)?.time.stepWall(world.now, fault.ms)
    case 'step-store':
      return server.stepWall(fault.ms)
    case 'step-down': {
      const member = cluster.members[fault.slot]
      return member?.host.deliver(() => void member.stepDown(fault.cooldownMs))
    }
    case 'delete':
      return server.remove(`e${fault.election}`)
    case 'preempt':
      return server.preempt(`e${fault.election}`, cluster.timing.ttlMs)
    case 'kill': {
      const host = hostOf(cluster, fault.host)
      if (host) server.endSessions(host.name, true)
      return undefined
    }
    case 'unwatch': {
      const host = hostOf(cluster, fault.host)
      if (host) server.watchers.drop(host, fault.told)
      return undefined
    }
    case 'nudge': {
      const host = hostOf(cluster, fault.host)
      if (host) server.watchers.nudge(host, fault.times)
      return undefined
    }
    default:
      return fault satisfies never
  }
}

/** Let everything be well: all faults are over, all processes run, and users behave. */
export function heal(cluster: Cluster): void {
  const { world, server, hosts, members } = cluster
  world.note('FAULT', 'everything heals')
  server.outage = undefined
  server.refusal = undefined
  server.slowMs = 0
  server.staleMs = 0
  for (const [number, host] of [...hosts].entries()) if (!host.alive) cluster.spawn(number)
  cluster.becalm()
  for (const member of members) {
    member.onAcquire = undefined
    member.host.deliver(() => {
      if (!member.standing) member.start()
    })
  }
}

function hostOf(cluster: Cluster, number: number): Host | undefined {
  const host = number === cluster.plan.hosts ? cluster.bystander.host : cluster.hosts[number]
  return host?.alive ? host : undefined
}

export function describeFault(fault: Fault): string {
  const { kind, ...rest } = fault
  return `${kind} ${JSON.stringify(rest)}`
}
