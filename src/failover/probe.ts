/** Asks a primary itself whether it is well: one question, and a bound for its answer. */

import type { Primary, Settings } from './settings.ts'

export class Prober {
  readonly #settings: Pick<Settings, 'probe' | 'probeMs' | 'clock'>
  readonly #asking = new Set<(why: Error) => void>()

  constructor(settings: Pick<Settings, 'probe' | 'probeMs' | 'clock'>) {
    this.#settings = settings
  }

  /** `undefined`: there is nobody to ask, or no way to. */
  async ask(primary: Primary | undefined): Promise<boolean | undefined> {
    const { probe, probeMs, clock } = this.#settings
    if (!probe || !primary) return undefined
    const controller = new AbortController()
    return new Promise((resolve) => {
      const over = (isWell: boolean) => {
        cancel()
        this.#asking.delete(giveUp)
        resolve(isWell)
      }
      const giveUp = (why: Error) => {
        controller.abort(why)
        over(false)
      }
      const cancel = clock.timer(probeMs, () => giveUp(new Error(`no answer within ${probeMs} ms`)), false)
      this.#asking.add(giveUp)
      const ask = async () => probe(primary, controller.signal)
      // Nobody there is the answer that a probe is made for, and mostly comes as an error.
      ask().then(
        (isWell) => over(isWell === true),
        () => over(false),
      )
    })
  }

  /** Nobody wants to know any more. */
  end(): void {
    for (const giveUp of [...this.#asking]) giveUp(new Error('the failover has stopped'))
  }
}
