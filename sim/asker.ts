/** Users who ask a candidate, now and then, whether it leads. */

import type { Tenure } from '../src/index.ts'
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

  /** Somebody asks at the very instant of the deadline, where instants are whole. */
  renewed(member: Member, tenure: Tenure): void {
    const { plan, world } = this.#cluster
    const left = member.leftMs(tenure)
    if (plan.grid && plan.askEvery > 0 && left > 0) world.at(member.host.now + left, () => this.#come(member))
  }

  #come(member: Member): void {
    const { host, tenure } = member
    if (!host.alive || this.#cluster.stopping) return
    // A question that may end a tenure is a turn of the process like any other; one that changes nothing needs none.
    if (!host.blocked && (!tenure || member.leftMs(tenure) > 0)) this.#ask(member)
    else
      host.deliver(() => {
        this.#asking = true
        this.#ask(member)
      })
  }

  /** At one of three doors. */
  #ask(member: Member): void {
    const { witness } = this.#cluster
    const { latest, candidate } = member
    const before = latest ? member.leftMs(latest) : 0
    const door = this.#chance.below(3)
    const leads = door === 0 ? candidate.isLeader : door === 1 ? latest?.held : latest && !latest.signal.aborted
    if (leads) witness.tell('claimed', member, before)
  }
}
