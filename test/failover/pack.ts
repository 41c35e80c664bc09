/** Instances of one program in one process, with a clock that the test moves, an arbiter and a bus that it can cut. */

import { type Bus, type DemoteReason, Failover, type FailoverOptions, inProcessBus, type Member } from '../../src/failover.ts'
import type { LeaseStore, Tenure } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'

/** A bus that can be made deaf, mute, or dead. */
export class TestBus implements Bus {
  readonly name = 'test'
  readonly inner: Bus
  isMute = false
  isDown = false
  /** What was said through this end. */
  readonly said: string[] = []
  readonly #joined = new Set<{ readonly member: Member; readonly fail: (error: Error) => void }>()

  constructor(inner: Bus = inProcessBus()) {
    this.inner = inner
  }

  async join(member: Member, signal: AbortSignal): Promise<void> {
    if (this.isDown) throw new Error('the bus is down')
    return new Promise((resolve, reject) => {
      const seat = { member, fail: reject }
      this.#joined.add(seat)
      this.inner
        .join(member, signal)
        .then(resolve, reject)
        .finally(() => this.#joined.delete(seat))
    })
  }

  async send(text: string, signal: AbortSignal): Promise<void> {
    this.said.push(text)
    if (this.isDown) throw new Error('the bus is down')
    if (!this.isMute) await this.inner.send(text, signal)
  }

  fall(): void {
    this.isDown = true
    for (const { fail } of this.#joined) fail(new Error('the bus fell'))
  }

  /** What comes from others, good or bad. */
  bring(text: string): void {
    for (const { member } of this.#joined) member.heard(text)
  }

  closed(name: string): void {
    for (const { member } of this.#joined) member.closed(name)
  }

  kinds(): string[] {
    return this.said.map((text) => (JSON.parse(text) as { kind: string }).kind)
  }
}

/** An arbiter that can be cut off from one instance. */
export class TestArbiter implements LeaseStore {
  readonly name = 'arbiter'
  readonly inner: LeaseStore
  isCut = false
  readonly log: string[]
  readonly #who: string

  constructor(inner: LeaseStore, log: string[], who: string) {
    this.inner = inner
    this.log = log
    this.#who = who
  }

  acquire: LeaseStore['acquire'] = (bid, signal) => this.#through(() => this.inner.acquire(bid, signal))
  renew: LeaseStore['renew'] = (bid, signal) => this.#through(() => this.inner.renew(bid, signal))
  read: LeaseStore['read'] = (election, signal) => this.#through(() => this.inner.read(election, signal))
  release: LeaseStore['release'] = (hold, signal) =>
    this.#through(async () => {
      await this.inner.release(hold, signal)
      this.log.push(`${this.#who} released`)
    })

  async #through<T>(go: () => Promise<T>): Promise<T> {
    if (this.isCut) throw new Error('no way to the arbiter')
    return go()
  }
}

export interface Instance {
  readonly failover: Failover
  readonly bus: TestBus
  readonly arbiter: TestArbiter
  readonly promotions: Tenure[]
  readonly demotions: DemoteReason[]
  readonly troubles: string[]
  readonly roles: string[]
}

export class Pack {
  readonly clock = new ManualClock()
  readonly store: LeaseStore = memory({ clock: this.clock })
  readonly bus = inProcessBus()
  readonly log: string[] = []
  readonly instances: Instance[] = []

  add(id: string, options: Partial<FailoverOptions> = {}): Instance {
    const arbiter = new TestArbiter(this.store, this.log, id)
    const bus = new TestBus(this.bus)
    const promotions: Tenure[] = []
    const demotions: DemoteReason[] = []
    const failover = new Failover({
      election: 'orders',
      id,
      arbiter,
      bus,
      clock: this.clock,
      onPromote: (tenure) => {
        promotions.push(tenure)
        this.log.push(`${id} promoted`)
      },
      onDemote: (reason) => {
        demotions.push(reason)
        this.log.push(`${id} demoted: ${reason}`)
      },
      ...options,
    })
    const troubles: string[] = []
    const roles: string[] = []
    failover.on('trouble', (error) => troubles.push(error.code))
    failover.on('role', (role, { reason }) => roles.push(`${role}: ${reason}`))
    const instance = { failover, bus, arbiter, promotions, demotions, troubles, roles }
    this.instances.push(instance)
    return instance
  }

  /** Who is primary; more than one is told by the length. */
  primaries(): string[] {
    return this.instances.filter(({ failover }) => failover.role === 'primary').map(({ failover }) => failover.id)
  }

  /** Let what was begun come to its end, with at most so much time. */
  async settled<T>(promise: Promise<T>, mostMs = 60_000): Promise<T> {
    let isOver = false
    const over = promise.finally(() => {
      isOver = true
    })
    over.catch(() => {})
    for (let ms = 0; ms < mostMs; ms += 10) {
      await this.clock.settle()
      if (isOver) break
      await this.clock.advance(10)
    }
    return over
  }

  async close(): Promise<void> {
    await this.settled(Promise.all(this.instances.map(({ failover }) => failover.stop())), 400_000)
  }
}
