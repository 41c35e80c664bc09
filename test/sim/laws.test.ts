/** The model of the store keeps the contract that it stands for. */

import { describe, test } from 'vitest'
import { Network } from '../../sim/network.ts'
import { type Plan, type Profile, planOf } from '../../sim/plan.ts'
import { Host } from '../../sim/process.ts'
import { makeClient } from '../../sim/stores/client.ts'
import { crashStore, removeRecord } from '../../sim/stores/mishaps.ts'
import { Server } from '../../sim/stores/server.ts'
import { Watchers } from '../../sim/stores/watchers.ts'
import { World } from '../../sim/world.ts'
import type { LeaseStore } from '../../src/store.ts'
import { describeStore } from '../../src/testing/index.ts'

const calm: Partial<Plan> = { grid: true, latencyMs: 0, jitterMs: 0, skew: 'none', deaf: false, watch: 'good', faults: [], horizonMs: 0 }

/** A world that goes on by itself as long as anybody waits for an answer. */
class Model {
  readonly #world = new World(1)
  readonly #plan: Plan
  readonly #network: Network
  readonly #server: Server
  #hosts = 0
  #waiting = 0

  constructor(profile: Profile) {
    this.#plan = { ...planOf(1, profile), ...calm, profile }
    this.#network = new Network(this.#world, this.#plan)
    this.#server = new Server(this.#world, this.#plan, new Watchers(this.#world, this.#plan, this.#network))
  }

  open(): LeaseStore {
    this.#hosts += 1
    const parts = { world: this.#world, plan: this.#plan, network: this.#network, server: this.#server }
    const { store } = makeClient({ ...parts, host: new Host(this.#world, this.#plan, this.#hosts, 1) })
    return {
      ...store,
      acquire: (bid, signal) => this.#driven(store.acquire(bid, signal)),
      renew: (bid, signal) => this.#driven(store.renew(bid, signal)),
      release: (hold, signal) => this.#driven(store.release(hold, signal)),
      read: (election, signal) => this.#driven(store.read(election, signal)),
    }
  }

  wipe(election: string): void {
    removeRecord(this.#server, this.#plan, this.#world, election)
  }

  restart(): void {
    crashStore(this.#server, this.#plan, 0)
  }

  async elapse(ms: number): Promise<void> {
    await this.#run(this.#world.now + ms)
  }

  async #driven<T>(answer: Promise<T>): Promise<T> {
    this.#waiting += 1
    if (this.#waiting === 1) void this.#drive()
    return answer.finally(() => {
      this.#waiting -= 1
    })
  }

  async #drive(): Promise<void> {
    while (this.#waiting > 0) await this.#run(this.#world.now)
  }

  async #run(until: number): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve))
    while (this.#world.turn(until))
  }
}

const runner = { describe, test }

for (const profile of ['clock', 'session', 'connection', 'observed'] as const) {
  const model = new Model(profile)
  describeStore(`the simulated store (${profile})`, {
    open: () => model.open(),
    elapse: (ms) => model.elapse(ms),
    wipe: (election) => model.wipe(election),
    restart: () => model.restart(),
    runner,
  })
}
