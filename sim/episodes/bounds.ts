/** How long things may take when all is well, and who takes part. */

import type { Cluster } from '../cluster.ts'
import type { Member } from '../member.ts'

/** How long things may take when all is well, in true milliseconds. */
export interface Bounds {
  /** One call of the store, there and back. */
  readonly call: number
  /** From the release of a lease to the next leader. */
  readonly handover: number
  /** From a state that knows nothing to a leader. */
  readonly healing: number
  /** Until a lease that nobody renews is over for everybody. */
  readonly lapse: number
}

export function boundsOf(cluster: Cluster): Bounds {
  const { timing, network, plan, server } = cluster
  const { ttlMs, drift, retryMs, callMs } = timing
  // A client that observes takes several trips for a call; timers are up to 30 ms late.
  const trips = plan.profile === 'observed' ? 3 : 1
  const call = trips * 2 * network.mostMs + 35
  const slow = 1 + 2 * drift
  const lapse = ttlMs * slow + call
  // A watch that died in silence is taken for one that lives, until the lease can be over.
  const told = plan.watch !== 'silent' && cluster.members.every(({ host, election }) => server.watchers.has(host, election))
  const look = plan.watch === 'none' ? retryMs * slow + 3 * call : told ? 3 * call : Math.max(retryMs * slow, lapse) + 2 * call
  const healing = (ttlMs + Math.max(retryMs, ttlMs)) * slow + 2 * call + callMs + 100
  return { call, handover: Math.min(look + 100, healing), healing, lapse }
}

export function membersOf(cluster: Cluster, election: string): readonly Member[] {
  return cluster.members.filter((member) => member.election === election && member.eligible)
}

export async function stopAll(cluster: Cluster, members: readonly Member[]): Promise<void> {
  const { world, timing } = cluster
  let left = 0
  for (const member of members) {
    if (!member.host.alive) continue
    left += 1
    member.host.deliver(() => void member.stop().then(() => (left -= 1)))
  }
  if (!(await world.until(() => left === 0, 2 * timing.callMs + boundsOf(cluster).call + 400))) {
    world.violated('I14', 'stop() does not resolve although all is well')
  }
}
