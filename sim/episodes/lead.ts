/** The real `lead()`, by several processes at once: each has its turn, none overlaps, nothing is left (I11). */

import { lead, type Tenure } from '../../src/index.ts'
import { SimClock } from '../clocks.ts'
import type { Cluster } from '../cluster.ts'
import type { Host } from '../process.ts'
import { preempt } from '../stores/mishaps.ts'
import { boundsOf } from './bounds.ts'

const ELECTION = 'lead'

interface Turn {
  readonly host: Host
  readonly clock: SimClock
  tries: number
  value: number | undefined
  settled: boolean
}

export async function leadInTurn(cluster: Cluster): Promise<void> {
  const { world, timing, plan, server } = cluster
  if (world.seed % 2 !== 1) return
  world.count('played:leadInTurn')
  const workMs = Math.ceil(timing.ttlMs * 0.2)
  const turns = cluster.hosts.slice(0, 3).map((host) => begin(host))
  const held = new Set<Tenure>()

  function begin(host: Host): Turn {
    const clock = new SimClock(host, plan.seed, `lead:${host.name}`, plan.grid)
    const turn: Turn = { host, clock, tries: 0, value: undefined, settled: false }
    host.deliver(() => run(turn))
    return turn
  }

  function run(turn: Turn): void {
    const { host, clock } = turn
    const store = cluster.clients.get(host)?.store
    if (!store) return
    const led = lead(ELECTION, (tenure) => work(turn, tenure), {
      store,
      clock,
      ...plan.timing,
      onTrouble: () => world.count('leadTrouble'),
    })
    void led.then((value) => {
      turn.value = value
      turn.settled = true
      world.note(host.name, 'lead() resolved', value ?? 'undefined')
    })
  }

  async function work(turn: Turn, tenure: Tenure): Promise<number> {
    const { host } = turn
    turn.tries += 1
    world.note(host.name, 'lead() works', tenure.fencingToken)
    if (turn === turns[1] && turn.tries === 1) {
      // Somebody takes its lease: what it returns is too late to count, and it has another go.
      preempt(server, world, ELECTION, timing.ttlMs)
      await tenure.sleep(timing.ttlMs * 3)
      return -1
    }
    held.add(tenure)
    if (held.size > 1) world.violated('I11', `${host.name}: two pieces of work at once`)
    await new Promise<void>((resolve) => host.setTimer(workMs, resolve))
    held.delete(tenure)
    // The first one fails once, and has another go.
    if (turn === turns[0] && turn.tries === 1) throw new Error('the first try fails')
    return host.number + 1000
  }

  const { handover, healing } = boundsOf(cluster)
  const most = (turns.length + 2) * (workMs * 1.2 + handover + 100) + 2 * healing + 3 * timing.ttlMs
  if (!(await world.until(() => turns.every(({ settled }) => settled), most))) return world.violated('I11', 'lead() does not resolve')
  for (const { host, value, clock } of turns) {
    if (value !== host.number + 1000) world.violated('I11', `${host.name}: lead() resolved with ${String(value)}`)
    if (clock.pending > 0) world.violated('I13', `${host.name}: ${clock.pending} timers are left by lead()`)
  }
  if (server.live(ELECTION)) world.violated('I11', 'lead() has resolved, and its lease is held')
}
