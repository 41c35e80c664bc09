/** How long anything may be waited for. */

/** Wait for an answer, but no longer than the signal: what comes later is nobody's, and is not unhandled either. */
export function bounded<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason)
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}
