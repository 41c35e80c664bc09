/** A timer for any length of time; `setTimeout` fires at once when it is asked for more than 24 days. */

import { MAX_TIMER_MS } from '../clock.ts'

/** Call `then` once so many milliseconds have passed, never if they are infinite; the function returned cancels it. */
export function after(ms: number, then: () => void): () => void {
  const at = performance.now() + ms
  let timer: NodeJS.Timeout | undefined
  const arm = () => {
    const left = at - performance.now()
    if (left <= 0) then()
    else timer = setTimeout(arm, Math.min(Math.ceil(left), MAX_TIMER_MS))
  }
  if (ms < Number.POSITIVE_INFINITY) timer = setTimeout(arm, Math.min(Math.max(0, Math.ceil(ms)), MAX_TIMER_MS))
  return () => clearTimeout(timer)
}
