/**
 * A process that only observes: the real `observe()`, through the same network and the same faults. It asks again when
 * the store refused to serve, as a user would.
 */

import { observe } from '../src/index.ts'
import type { LeaseStore } from '../src/store.ts'
import { SimClock } from './clocks.ts'
import type { Cluster } from './cluster.ts'
import type { Host } from './process.ts'
import type { Client } from './stores/client.ts'

export class Bystander {
  readonly cluster: Cluster
  readonly host: Host
  readonly election = 'e0'
  readonly clock: SimClock
  readonly client: Client
  readonly #controller = new AbortController()
  /** What it was told last; `told` false before anything. */
  leader: number | undefined
  told = false
  ended = false
  reads = 0
  readonly #heard: (fencingToken: number | undefined) => void

  constructor(cluster: Cluster, host: Host, client: Client, heard: (fencingToken: number | undefined) => void) {
    this.cluster = cluster
    this.host = host
    this.client = client
    this.#heard = heard
    this.clock = new SimClock(host, cluster.plan.seed, host.name, cluster.plan.grid)
    host.deliver(() => void this.#follow())
  }

  /** Call from within the process. */
  stop(): void {
    this.#controller.abort()
  }

  /** The store, with its reads counted. */
  #counted(): LeaseStore {
    const { store } = this.client
    const read: LeaseStore['read'] = (election, signal) => {
      this.reads += 1
      return store.read(election, signal)
    }
    return { ...store, read }
  }

  async #follow(): Promise<void> {
    const { cluster, clock, election, host } = this
    const { signal } = this.#controller
    // At most three times this long between looks, which is then a ttl.
    const retryMs = Math.max(1, Math.floor(cluster.timing.ttlMs / 3))
    try {
      for await (const leader of observe(election, {
        store: this.#counted(),
        clock,
        signal,
        retryMs,
        onTrouble: () => cluster.world.count('observerTrouble'),
      })) {
        this.leader = leader?.fencingToken
        this.told = true
        cluster.world.note(host.name, 'observes', leader?.fencingToken ?? 'nobody')
        this.#heard(this.leader)
      }
      this.ended = true
      if (!signal.aborted) cluster.world.violated('I18', `${host.name}: the observation ended by itself`)
    } catch (thrown) {
      cluster.world.count('observeRefused')
      cluster.world.note(host.name, 'observes no more', String(thrown))
      if (!cluster.mayRefuse) cluster.world.violated('I18', `${host.name}: the observation failed: ${String(thrown)}`)
      host.setTimer(cluster.timing.ttlMs / 2, () => {
        if (signal.aborted) this.ended = true
        else void this.#follow()
      })
    }
  }
}
