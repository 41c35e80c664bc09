/** The real `lead()`, by several processes at once: each has its turn, none overlaps, nothing is left (I11). */

import { lead, type Tenure } from '../../src/index.ts'
import { SimClock } from '../clocks.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../process.ts'
import { boundsOf } from './bounds.ts'

interface Turn {
  readonly host: Host
  readonly clock: SimClock
  value: number | undefined
  settled: boolean
}

export async function leadInTurn(cluster: Cluster): Promise<void> {
  const { world, timing, plan, server } = cluster
  if (world.seed % 2 !== 1) return
  world.count('played:leadInTurn')
  const workMs = Math.ceil(timing.ttlMs * 0.2)
  const turns: Turn[] = []
  const held = new Set<Tenure>()
  for (const host of cluster.hosts.slice(0, 3)) {
    const client = cluster.clients.get(host)
    if (!client) continue
    const clock = new SimClock(host, plan.seed, `lead:${host.name}`, plan.grid)
    const turn: Turn = { host, clock, value: undefined, settled: false }
    turns.push(turn)
    let tries = 0
    const work = async (tenure: Tenure): Promise<number> => {
      tries += 1
      held.add(tenure)
      if (held.size > 1) world.violated('I11', `${host.name}: two pieces of work at once`)
      world.note(host.name, 'lead() works', tenure.fencingToken)
      await new Promise<void>((resolve) => host.setTimer(workMs, resolve))
      held.delete(tenure)
      // The first one fails once, and has another go.
      if (turn === turns[0] && tries === 1) throw new Error('the first try fails')
      return host.number + 1000
    }
    host.deliver(() => {
      const led = lead('lead', work, { store: client.store, clock, ...plan.timing, onTrouble: () => world.count('leadTrouble') })
      void led.then((value) => {
        turn.value = value
        turn.settled = true
        world.note(host.name, 'lead() resolved', value ?? 'undefined')
      })
    })
  }
  const { handover, healing } = boundsOf(cluster)
  const most = (turns.length + 1) * (workMs * 1.2 + handover + 100) + 2 * healing
  if (!(await world.until(() => turns.every(({ settled }) => settled), most))) return world.violated('I11', 'lead() does not resolve')
  for (const { host, value, clock } of turns) {
    if (value !== host.number + 1000) world.violated('I11', `${host.name}: lead() resolved with ${String(value)}`)
    if (clock.pending > 0) world.violated('I13', `${host.name}: ${clock.pending} timers are left by lead()`)
  }
  if (server.live('lead')) world.violated('I11', 'lead() has resolved, and its lease is held')
}
