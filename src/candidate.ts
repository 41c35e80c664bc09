/**
 * The door to an election: what its users see of a candidate. All it does is done by the shell behind it.
 */

/// <reference lib="esnext.disposable" preserve="true" />

import type { CandidateEvents, Leader, Listener } from './events.ts'
import { type CandidateOptions, settingsOf } from './options.ts'
import { Shell } from './shell.ts'
import type { StepDownOptions, Tenure } from './tenure.ts'

/**
 * One participant of an election. `start()` it, ask `isLeader`, or give it work that runs while it leads.
 *
 * `isLeader` protects against a second believer, not against your own slowness: an effect that was begun in time may
 * land late. Pass `tenure.fencingToken` along with whatever you write.
 */
export class Candidate {
  readonly #shell: Shell

  /** Contacts nobody. Throws a `TenureError` of code `bad-option`. */
  constructor(options: CandidateOptions) {
    this.#shell = new Shell(settingsOf(options))
  }

  /** The id people recognise this candidate by. */
  get id(): string {
    return this.#shell.settings.id
  }

  /** The name of the election it stands in. */
  get election(): string {
    return this.#shell.settings.election
  }

  /** Whether this candidate leads at this moment. Compares the deadline with the clock each time it is asked. */
  get isLeader(): boolean {
    return this.#shell.isLeader()
  }

  /** The present tenure; `undefined` while not leading. */
  get tenure(): Tenure | undefined {
    return this.#shell.tenure
  }

  /** Who leads, as far as is known; `ageMs` says how old that knowledge is. For people, never for decisions. */
  get leader(): Leader | undefined {
    return this.#shell.leader
  }

  /** Add a listener; the function returned takes it away. `elected` and `leader` tell the present state in a microtask. */
  on<Name extends keyof CandidateEvents>(event: Name, listener: Listener<CandidateEvents[Name]>): () => void {
    return this.#shell.on(event, listener)
  }

  /**
   * Stand for the election until `stop()`. Resolves after the first attempt, whatever came of it. Idempotent.
   * Rejects, and does not stand, when the store refuses to serve (`store-denied`, `store-unfit`) at that first attempt.
   */
  start(): Promise<void> {
    return this.#shell.start()
  }

  /**
   * Hand over, and stay a candidate: the signal of the tenure aborts, and when the work has settled the lease is
   * released. Resolves then, or when the work has overrun. Stands aside for `cooldownMs` afterwards (default: the ttl).
   * Does nothing while following.
   */
  stepDown(options?: StepDownOptions): Promise<void> {
    return this.#shell.stepDown(options)
  }

  /**
   * Leave the election: the work ends, the lease is released. Idempotent, bounded by `drainMs` and `callMs`, allowed
   * before `start()` and at any other moment. Nothing is claimed after it was called.
   */
  stop(): Promise<void> {
    return this.#shell.stop()
  }

  /** @internal What the rest of the library may ask of it. */
  static shellOf(candidate: Candidate): Shell {
    return candidate.#shell
  }

  /** `await using candidate = ...` stops it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
