/**
 * Makes the faults of a plan happen, and heals everything at the end of the horizon. Each fault is on its own: leaving
 * one out of the list leaves the others as they are.
 */

import { Chance } from './chance.ts'
import type { Cluster } from './cluster.ts'
import { type Blow, describeFault, type Fault, type Spell } from './faults.ts'
import { crash, hostOf, standStill, stopAndStart } from './lives.ts'
import { crashStore, endSessions, preempt, removeRecord, stepStore } from './stores/mishaps.ts'

export function inject(cluster: Cluster): void {
  for (const fault of cluster.plan.faults) {
    if ('forMs' in fault) castSpell(cluster, fault)
    else if ('at' in fault) cluster.world.at(fault.at, () => strike(cluster, fault))
  }
}

function seen(cluster: Cluster, fault: Fault): void {
  cluster.world.note('FAULT', describeFault(fault))
  cluster.world.count(`fault:${fault.kind}`)
}

function castSpell(cluster: Cluster, fault: Spell): void {
  const { world, plan } = cluster
  world.at(fault.at, () => {
    seen(cluster, fault)
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
      return server.fail(fault.silent ? 'silent' : 'refused')
    case 'stall':
      return stall(cluster, fault.frozen)
    case 'restart':
      crashStore(server, plan, fault.lost)
      return server.fail('refused')
    case 'failover':
      crashStore(server, plan, fault.lost)
      stepStore(server, world.now, Math.round(fault.shift * fault.forMs))
      return server.fail('refused')
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
      return fault satisfies never
  }
}

function stall({ world, server, plan }: Cluster, frozen: boolean): (() => void) | undefined {
  if (server.stalled) return undefined
  const goOn = server.stall(new Chance(plan.seed, `stall:${world.now}`))
  if (frozen) server.time.run(world.now, false, false)
  return () => {
    server.time.run(world.now, true, true)
    goOn()
  }
}

function strike(cluster: Cluster, fault: Blow): void {
  const { world, server, plan } = cluster
  seen(cluster, fault)
  switch (fault.kind) {
    case 'step-wall':
      return hostOf(cluster, fault.host)?.time.stepWall(world.now, fault.ms)
    case 'step-store':
      return stepStore(server, world.now, fault.ms)
    case 'step-down': {
      const member = cluster.members[fault.slot]
      return member?.host.deliver(() => void member.stepDown(fault.cooldownMs))
    }
    case 'delete':
      return removeRecord(server, plan, world, `e${fault.election}`)
    case 'preempt':
      return preempt(server, world, `e${fault.election}`, cluster.timing.ttlMs)
    case 'kill': {
      const host = hostOf(cluster, fault.host)
      return host && endSessions(server, host.name, true)
    }
    case 'unwatch': {
      const host = hostOf(cluster, fault.host)
      return host && server.watchers.drop(host, fault.told)
    }
    case 'nudge': {
      const host = hostOf(cluster, fault.host)
      return host && server.watchers.nudge(host, fault.times)
    }
    default:
      return fault satisfies never
  }
}

/** Let everything be well: all faults are over, all processes run, and users behave. */
export function heal(cluster: Cluster): void {
  const { world, server, hosts, members } = cluster
  world.note('FAULT', 'everything heals')
  server.heal()
  for (const [number, host] of [...hosts].entries()) if (!host.alive) cluster.spawn(number)
  cluster.becalm()
  for (const member of members) {
    member.next = {}
    member.host.deliver(() => {
      if (!member.standing) member.start()
    })
  }
}
