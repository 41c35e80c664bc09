/**
 * One thing after the other: the calls of one store object for one election. A call that is aborted is left by its
 * caller at once, and comes to its own end behind the caller's back, so that the next finds files nobody else touches.
 */

export class Queue {
  #tail: Promise<unknown> = Promise.resolve()

  /** Run a task when those before it have ended. Rejects as soon as `signal` is aborted. */
  run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const abandon = () => reject(signal.reason)
      if (signal.aborted) abandon()
      else signal.addEventListener('abort', abandon, { once: true })
      const settled = () => signal.removeEventListener('abort', abandon)
      this.#tail = this.#tail.then(task).then(resolve, reject).finally(settled)
    })
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    for (let tail: unknown; tail !== this.#tail; ) {
      tail = this.#tail
      await tail
    }
  }
}
