/** Asks a primary itself whether it is well: one question, and a bound for its answer. */

import type { Primary, Settings } from './settings.ts'

/** `undefined`: there is nobody to ask, or no way to. */
export async function probed(settings: Settings, primary: Primary | undefined): Promise<boolean | undefined> {
  const { probe, probeMs, clock } = settings
  if (!probe || !primary) return undefined
  const controller = new AbortController()
  return new Promise((resolve) => {
    const over = (isWell: boolean) => {
      cancel()
      resolve(isWell)
    }
    const late = () => {
      controller.abort(new Error(`no answer within ${probeMs} ms`))
      over(false)
    }
    const cancel = clock.timer(probeMs, late, false)
    const ask = async () => probe(primary, controller.signal)
    // Nobody there is the answer that a probe is made for, and mostly comes as an error.
    ask().then(
      (isWell) => over(isWell === true),
      () => over(false),
    )
  })
}
