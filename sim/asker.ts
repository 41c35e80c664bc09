/** Users who ask a candidate, now and then, whether it leads. */

import { Chance } from './chance.ts'
import type { Cluster } from './cluster.ts'
import type { Member } from './member.ts'

export class Asker {
  readonly #cluster: Cluster
  readonly #chance: Chance
  #turns = 0
  /** The turn that is going on is nothing but a question. */
  #asking = false

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#chance = new Chance(cluster.plan.seed, 'cluster')
  }

  /** A turn is over; after every so many of them somebody asks, soon. A question sets off no other. */
  turned(): void {
    const { plan, world, timing, members } = this.#cluster
    if (this.#asking) {
      this.#asking = false
      return
    }
    this.#turns += 1
    if (plan.askEvery === 0 || this.#turns % plan.askEvery !== 0) return
    const member = members[this.#chance.below(members.length)]
    const delay = this.#chance.next() * (timing.ttlMs / 50)
    if (member) world.in(plan.grid ? Math.floor(delay / 8) : delay, () => this.#come(member))
  }

  #come(member: Member): void {
    const { host, tenure } = member
    if (!host.alive) return
    // A question that may end a tenure is a turn of the process like any other; one that changes nothing needs none.
    if (!host.blocked && (!tenure || member.leftMs(tenure) > 0)) this.#ask(member)
    else
      host.deliver(() => {
        this.#asking = true
        this.#ask(member)
      })
  }

  #ask(member: Member): void {
    const { witness, world } = this.#cluster
    const before = member.latest && member.leftMs(member.latest)
    if (member.candidate.isLeader) witness.tell('claimed', member, before ?? 0)
    else if (member.candidate.tenure) world.violated('I15', `${member.name}: a tenure, and not leading`)
  }
}
