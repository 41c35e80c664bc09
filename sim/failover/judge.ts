/** Watches a pack and knows the laws of failover. The first that is broken ends the world. */

import type { DemoteReason } from '../../src/failover.ts'
import type { Tenure } from '../../src/index.ts'
import type { Node, Work } from './node.ts'
import type { Pack } from './pack.ts'

export class Judge {
  readonly #pack: Pack
  #newestToken = 0

  constructor(pack: Pack) {
    this.#pack = pack
  }

  broken(law: string, text: string): void {
    this.#pack.world.violated(law, text)
  }

  /** F1: never two that may act as primary. */
  look(): void {
    const holding = this.#pack.living.filter((node) => node.leftMs > 0)
    if (holding.length > 1) this.broken('F1', `${holding.map(({ name }) => name).join(' and ')} both hold the role`)
    for (const node of this.#pack.living) {
      if (node.promotedRole === 'primary' && node.failover.lastHeartbeat)
        this.broken('F12', `${node.name} is primary and has a last heartbeat`)
    }
  }

  /** F2: promoted and demoted in turn, F3: with tokens that grow, F9: and not while that is switched off. */
  promotes(node: Node, tenure: Tenure): void {
    this.event(node, 'onPromote')
    if (node.work && node.work.phase !== 'over') this.broken('F2', `${node.name} is promoted while its work is ${node.work.phase}`)
    if (tenure.fencingToken <= this.#newestToken)
      this.broken('F3', `${node.name} is promoted with ${tenure.fencingToken} after ${this.#newestToken}`)
    if (!node.failover.enabled) this.broken('F9', `${node.name} is promoted although it is disabled`)
    this.#newestToken = tenure.fencingToken
    this.#pack.world.count('promotions')
  }

  demotes(node: Node, work: Work | undefined, reason: DemoteReason): void {
    this.event(node, 'onDemote')
    if (!work || work.phase === 'over' || work.phase === 'demoting')
      this.broken('F2', `${node.name} is demoted twice, or without a promotion`)
    else if (work.phase === 'promoting') this.broken('F2', `${node.name} is demoted while it is still being promoted`)
    // One that fails after its tenure has ended has not failed.
    if (reason === 'promotion-failed' && work?.phase !== 'failed') this.broken('F2', `no promotion of ${node.name} has failed`)
    this.#pack.world.count(`demoted:${reason}`)
  }

  /** F5: what is announced has been given back before. */
  says(node: Node, kind: string, fencingToken: number, isGivenBack: boolean): void {
    if (node.hasStopped) this.broken('F8', `${node.name} speaks after stop()`)
    // F13: a sign of life of a tenure that is over misleads everybody.
    if (kind === 'heartbeat' && node.work?.tenure.fencingToken === fencingToken && node.leftMs <= 0)
      this.broken('F13', `${node.name} says that ${fencingToken} goes on, and it is over`)
    if (kind !== 'leaving') return
    this.#pack.world.count('announced')
    if (!isGivenBack) this.broken('F5', `${node.name} announces that ${fencingToken} is free before it has given it back`)
    if (node.leftTokens.has(fencingToken)) this.broken('F5', `${node.name} announces ${fencingToken} twice`)
    node.leftTokens.add(fencingToken)
  }

  /** F6: told of each change once, and primary only while serving. */
  role(node: Node, role: 'primary' | 'secondary'): void {
    this.event(node, 'role')
    if (role === node.promotedRole) this.broken('F6', `${node.name} is told twice that it is ${role}`)
    if (role === 'primary' && (node.work?.phase !== 'serving' || node.leftMs <= 0)) {
      this.broken('F6', `${node.name} is called primary while its work is ${node.work?.phase}`)
    }
  }

  /** F10: who has heard of a newer tenure hears no older one, unless it asks nobody and has heard nothing for `silenceMs`. */
  hears(node: Node, fencingToken: number): void {
    this.event(node, 'heartbeat')
    const { world, plan } = this.#pack
    const isForgiven = node.wasDisabled && world.now - node.heardAt >= plan.silenceMs * (1 - plan.drift)
    if (fencingToken < node.heardToken && !isForgiven)
      this.broken('F10', `${node.name} believes a heartbeat of ${fencingToken} after one of ${node.heardToken}`)
    if (node.promotedRole === 'primary') this.broken('F12', `${node.name} is primary, and follows another`)
  }

  suspects(node: Node): void {
    this.event(node, 'suspect')
    if (node.promotedRole === 'primary') this.broken('F12', `${node.name} is primary, and suspects another`)
  }

  /** F8: after stop() nothing happens, and nothing is left. */
  event(node: Node, what: string): void {
    if (node.hasStopped) this.broken('F8', `${node.name}: ${what} after stop()`)
  }

  stopped(node: Node): void {
    if (!node.hasStopped) return
    if (this.#pack.bus.members(node) > 0) this.broken('F8', `${node.name} takes part in the bus after stop()`)
    if (node.failover.status().phase === 'stopped' && node.work?.phase !== 'demoting' && node.host.pending > 0) {
      this.broken('F8', `${node.name} has ${node.host.pending} timers set after stop()`)
    }
  }
}
