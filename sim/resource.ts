/** The outside world that work writes to: it is guarded by the fencing token, and sees late writes as well. */

import { Fence, type Tenure } from '../src/index.ts'
import type { Cluster } from './cluster.ts'
import type { Member } from './member.ts'

export class Resource {
  readonly #cluster: Cluster
  readonly #fences = new Map<string, Fence>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Do something to the outside world under the token of a tenure, if it still holds. */
  write(member: Member, tenure: Tenure): void {
    const { network, timing } = this.#cluster
    const left = member.leftMs(tenure)
    if (left <= 0 || member.tenure !== tenure) return
    const { host } = member
    const safeUntil = host.now + (left + timing.marginMs) / host.time.fastest
    network.carry({ host, way: 'up', label: 'write', deliver: () => this.#land(member, tenure, safeUntil) })
  }

  #land(member: Member, tenure: Tenure, safeUntil: number): void {
    const { world, witness } = this.#cluster
    const { fencingToken } = tenure
    const fence = this.#fences.get(member.election) ?? new Fence()
    this.#fences.set(member.election, fence)
    const admitted = fence.admits(fencingToken)
    world.note(member.host.name, admitted ? 'write lands' : 'write refused', fencingToken)
    world.count(admitted ? 'writeAdmitted' : 'writeRefused')
    witness.tell('landed', { member, tenure, fencingToken, safeUntil, admitted })
  }
}
