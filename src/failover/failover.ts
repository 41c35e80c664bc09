/**
 * The door to a failover: what its users see of one instance. All it does is done by the instance behind it.
 */

import type { Listener } from '../events.ts'
import type { StepDownOptions, Tenure } from '../tenure.ts'
import type { FailoverEvents, Heartbeat, Role } from './events.ts'
import { Instance } from './instance.ts'
import { checkEnabled, type FailoverOptions } from './settings.ts'
import type { FailoverStatus } from './status.ts'

/**
 * A primary and its secondaries. `start()` each instance; `onPromote` runs in one of them at a time.
 *
 * What holds for a `Candidate` holds here: pass `tenure.fencingToken` along with every write, and look at `tenure.held`
 * before you acknowledge one.
 */
export class Failover {
  readonly #instance: Instance

  /** Contacts nobody. Throws a `TenureError` of code `bad-option`. */
  constructor(options: FailoverOptions) {
    this.#instance = new Instance(options)
  }

  /** The id people recognise this instance by. */
  get id(): string {
    return this.#instance.candidate.id
  }

  /** The name of what has one primary. */
  get election(): string {
    return this.#instance.settings.election
  }

  /** `primary` while the arbiter is held and `onPromote` has resolved. Asks the clock each time. */
  get role(): Role {
    return this.#instance.role
  }

  /** The tenure of this instance while it is primary; `undefined` otherwise. */
  get tenure(): Tenure | undefined {
    return this.#instance.tenure
  }

  /** The last sign of life of the primary; empty on a primary, and after it has left. */
  get lastHeartbeat(): Heartbeat | undefined {
    return this.#instance.vigil.lastHeartbeat
  }

  /**
   * Whether this instance may be promoted. Switched off, a secondary stays one, and a primary keeps its role until it
   * gives it up or loses it. Switched on, it stands at once.
   */
  get enabled(): boolean {
    return this.#instance.enabled
  }

  set enabled(enabled: boolean) {
    this.#instance.enable(checkEnabled(enabled))
  }

  /** Add a listener; the function returned takes it away. `role` tells a primary in a microtask. */
  on<Name extends keyof FailoverEvents>(event: Name, listener: Listener<FailoverEvents[Name]>): () => void {
    return this.#instance.on(event, listener)
  }

  /**
   * Take part until `stop()`. Resolves when the arbiter has been asked once, whatever came of it. Idempotent. Rejects, and
   * does not take part, when the arbiter refuses to serve (`store-denied`, `store-unfit`) at that first attempt.
   */
  start(): Promise<void> {
    return this.#instance.start()
  }

  /**
   * Hand over, and stay ready: `onDemote` is awaited, then the arbiter is released, then the others are told. Stands aside
   * for `cooldownMs` afterwards (default: the ttl). Does nothing on a secondary.
   */
  stepDown(options?: StepDownOptions): Promise<void> {
    return this.#instance.stepDown(options)
  }

  /**
   * Leave: `onDemote` is awaited, then the arbiter is released, then the others are told. Idempotent, allowed before
   * `start()` and at any other moment; bounded by `drainMs`, `callMs` and a second for the announcement.
   */
  stop(): Promise<void> {
    return this.#instance.stop()
  }

  /** How things stand. `text` is for people. */
  status(): FailoverStatus {
    return this.#instance.status()
  }

  /**
   * Ask the primary itself, now. False: it is doubted, and the arbiter is asked at once. `undefined` without a `probe`,
   * with nobody known to be primary, or on the primary.
   */
  probeNow(): Promise<boolean | undefined> {
    return this.#instance.probeNow()
  }

  /** `await using failover = ...` stops it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
