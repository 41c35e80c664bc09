/**
 * One tenure of a run: the guard holds it, children serve in it, and it is over when no process of theirs is left. It may
 * assume that the lease is released only after it has settled.
 */

import type { Server } from 'node:net'
import { deadlineOf, type HostInstant, later, leftMs } from './instants.ts'
import { type Served, Service, type ServiceParts } from './service.ts'
import type { TreeRoot } from './tree.ts'

export interface ReignParts extends Omit<ServiceParts, 'lastMs' | 'announce' | 'typed'> {
  /** What others take for our sign of life. */
  readonly liveness: Server | undefined
  /** Call back with each renewal; the function returned ends that. */
  onRenewed(renewed: () => void): () => void
}

/** A command that is kept running and ends sooner than this is started again more and more slowly. */
const QUICK_MS = 1000
const FIRST_PAUSE_MS = 100
const LAST_PAUSE_MS = 10_000

export class Reign {
  readonly #parts: ReignParts
  readonly #wonAt = performance.now()
  /** The last instant for the tree, as the guard knows it. */
  #until: HostInstant | undefined
  #service: Service | undefined
  /** The first signal that asked the run to end. */
  #signal: NodeJS.Signals | undefined
  #interrupt: () => void = () => {}

  constructor(parts: ReignParts) {
    this.#parts = parts
  }

  /** Whether a signal has asked the run to end. */
  get isEnding(): boolean {
    return this.#signal !== undefined
  }

  /** A signal has come for the run. */
  heard(signal: NodeJS.Signals, isEnd: boolean): void {
    if (isEnd) this.#signal ??= signal
    this.#service?.heard(signal, isEnd)
    if (isEnd) this.#interrupt()
  }

  /** Resolves when no process is left. Rejects, then too, when no guard can be started. */
  async run(): Promise<Served> {
    const { guardian, onRenewed } = this.#parts
    const off = onRenewed(() => {
      // Before that it holds nothing yet.
      const until = this.#until && this.#lastInstant()
      if (until) guardian.extend(until)
    })
    try {
      const served = await this.#serve()
      // Losing what was only held on to loses nothing.
      if (served.type === 'ended') await this.#sleep(this.#wonAt + this.#parts.plan.holdMs - performance.now())
      return served
    } finally {
      off()
      await guardian.dismiss()
    }
  }

  /** The deadline as it is now, and the time to kill. `undefined` once it has passed. */
  #lastInstant(): HostInstant | undefined {
    const deadline = deadlineOf(this.#parts.tenure)
    if (!deadline) return undefined
    this.#until = later(deadline, this.#parts.plan.killAfterMs)
    return this.#until
  }

  /** The first tree comes with all that the guard has to hold. */
  async #announce(root: TreeRoot): Promise<boolean> {
    const { guardian, liveness } = this.#parts
    if (this.#until) return guardian.expect(root)
    const until = this.#lastInstant()
    return until !== undefined && guardian.hold(until, liveness, root)
  }

  /** One child, or with `keep` one after the other. */
  async #serve(): Promise<Served> {
    const { plan, tenure } = this.#parts
    for (let quick = 0; ; ) {
      const begun = performance.now()
      this.#service = new Service({
        ...this.#parts,
        announce: (root) => this.#announce(root),
        typed: (signal) => {
          this.#signal ??= signal
        },
        lastMs: () => (this.#until ? leftMs(this.#until) : 0),
      })
      // It may have come before there was anybody to tell.
      if (this.#signal) this.#service.heard(this.#signal, true)
      const served = await this.#service.run()
      this.#service = undefined
      if (!plan.keep || served.type === 'lost' || served.isFinal) return served
      quick = performance.now() - begun < QUICK_MS ? quick + 1 : 0
      if (quick > 0) await this.#sleep(Math.min(FIRST_PAUSE_MS * 2 ** Math.min(quick - 1, 20), LAST_PAUSE_MS))
      if (this.#signal) return served
      if (!tenure.held) return { type: 'lost' }
    }
  }

  /** Until the time is over, the tenure ends, or a signal asks the run to end. */
  async #sleep(ms: number): Promise<void> {
    if (this.#signal || ms <= 0) return
    const interrupted = new Promise<void>((resolve) => {
      this.#interrupt = resolve
    })
    await Promise.race([interrupted, this.#parts.tenure.sleep(ms)])
  }
}
