/**
 * What a tenure of the arbiter is for: promote, hold, demote, in this order and each exactly once. It is the work of the
 * candidate at the arbiter, so that the arbiter is held from before `onPromote` until `onDemote` has settled. It must
 * never end before both have.
 */

import type { Clock } from '../clock.ts'
import { messageOf, TenureError } from '../errors.ts'
import type { Tenure } from '../tenure.ts'
import type { DemoteReason } from './events.ts'

/** Pause after a promotion that failed: doubled from the first to the last, jittered. */
const FIRST_PAUSE_MS = 1000
const LAST_PAUSE_MS = 30_000

export interface DutyParts {
  readonly election: string
  readonly clock: Clock
  onPromote(tenure: Tenure): unknown
  onDemote(reason: DemoteReason): unknown
}

export interface DutyOwner {
  promoted(tenure: Tenure): void
  troubled(error: TenureError): void
}

export class Duty {
  readonly #parts: DutyParts
  readonly #owner: DutyOwner
  #phase: 'promoting' | 'primary' | 'demoting' | undefined
  #promoted: Tenure | undefined
  /** Why the present tenure has ended, once it has. */
  #reason: DemoteReason | undefined
  #failures = 0
  #promotions = 0

  constructor(parts: DutyParts, owner: DutyOwner) {
    this.#parts = parts
    this.#owner = owner
  }

  /** What is going on; `undefined` for nothing. */
  get phase(): 'promoting' | 'primary' | 'demoting' | undefined {
    return this.#phase
  }

  /** The tenure for which this instance has been promoted. Whether it is still held is for the tenure to say. */
  get promoted(): Tenure | undefined {
    return this.#promoted
  }

  /** How often this instance has become primary. */
  get promotions(): number {
    return this.#promotions
  }

  /** Never rejects. */
  async serve(tenure: Tenure): Promise<void> {
    this.#phase = 'promoting'
    this.#reason = undefined
    const { onPromote } = this.#parts
    try {
      await onPromote(tenure)
      if (tenure.held) this.#succeed(tenure)
    } catch (thrown) {
      if (tenure.held) this.#fail(tenure, thrown)
    }
    await ended(tenure.signal)
    this.#phase = 'demoting'
    await this.#demote()
    this.#phase = undefined
  }

  /** Told when a tenure ends, before anything else happens. Returns whether it was that of a primary. */
  over(tenure: Tenure, why: DemoteReason): boolean {
    this.#reason ??= why
    const wasPrimary = this.#promoted === tenure
    this.#promoted = undefined
    return wasPrimary
  }

  #succeed(tenure: Tenure): void {
    this.#failures = 0
    this.#promotions += 1
    this.#phase = 'primary'
    this.#promoted = tenure
    this.#owner.promoted(tenure)
  }

  #fail(tenure: Tenure, thrown: unknown): void {
    const { clock, election } = this.#parts
    this.#failures += 1
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 30), LAST_PAUSE_MS)
    this.#reason = 'promotion-failed'
    this.#owner.troubled(
      new TenureError('work-failed', `The promotion to primary of \`${election}\` failed: ${messageOf(thrown)}`, { cause: thrown }),
    )
    void tenure.stepDown({ cooldownMs: Math.ceil(pause * (0.5 + 0.5 * clock.random())) })
  }

  async #demote(): Promise<void> {
    const { election, onDemote } = this.#parts
    try {
      await onDemote(this.#reason ?? 'expired')
    } catch (thrown) {
      this.#owner.troubled(
        new TenureError('work-failed', `The demotion from primary of \`${election}\` failed: ${messageOf(thrown)}`, { cause: thrown }),
      )
    }
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // Asked only after listening: asking may be what ends it.
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
}
