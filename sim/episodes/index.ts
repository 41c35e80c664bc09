/**
 * After the faults: everything heals, a leader must emerge in time (I6), one lost answer must not change it (I7), and a
 * row of directed episodes must end as they should (I11). Random faults alone let a third of all mutants live.
 */

import type { Cluster } from '../cluster.ts'
import { heal } from '../injector.ts'
import { failover, handover, longDrain, lostAcquire } from './change.ts'
import { leadInTurn } from './lead.ts'
import { end, lateWin, stopInAcquire, stopInDoubt, survivors, vacancy } from './leaving.ts'
import { emerge, quiet } from './peace.ts'
import { clockSteps, lateTimer, nap, stability } from './stability.ts'
import { crossing, lateNews, slowLook, yesterday } from './yesterday.ts'

type Episode = (cluster: Cluster) => Promise<void>

/** In this order. Each counts itself, as `played:` and its name, when there was something to play. */
export const script: Readonly<Record<string, Episode>> = {
  emerge,
  quiet,
  stability,
  lateTimer,
  clockSteps,
  lateNews,
  yesterday,
  crossing,
  slowLook,
  nap,
  handover,
  longDrain,
  lostAcquire,
  failover,
  vacancy,
  stopInAcquire,
  stopInDoubt,
  lateWin,
  survivors,
  leadInTurn,
  end,
}

export async function afterwards(cluster: Cluster): Promise<void> {
  const { world } = cluster
  heal(cluster)
  const unblocked = () => [...cluster.hosts, cluster.bystander.host].every((host) => !host.blocked) && !cluster.server.writing
  await world.until(unblocked, cluster.timing.ttlMs * 50)
  // What waited for a process comes in the very instant in which it goes on.
  await world.wait(1)
  for (const [name, episode] of Object.entries(script)) {
    if (world.over) return
    world.note('EPISODE', name)
    await episode(cluster)
  }
}
