/** How long anything may be waited for. */

import type { Clock } from '../../clock.ts'

/** Wait for an answer, but no longer than the signal: what comes later is nobody's, and is not unhandled either. */
export function bounded<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason)
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}

/** Do something that takes a signal, for so long at most. */
export async function within<T>(clock: Clock, ms: number, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const cancel = clock.timer(ms, () => controller.abort(new Error(`not done within ${ms} ms`)), true)
  return task(controller.signal).finally(cancel)
}
