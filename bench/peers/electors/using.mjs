/** What the electors share whose work runs inside `using(routine)`: again and again, until told to stop. */

/** `using(routine)` holds the lock while the routine runs, and tells it by a signal when the lock is lost. */
export function standByUsing(using, elected) {
  const stopped = new AbortController()
  let current
  const ended = (async () => {
    while (!stopped.signal.aborted) {
      try {
        await using(async (signal) => {
          current = signal
          elected()
          await either(stopped.signal, signal)
          current = undefined
        })
      } catch {
        // Somebody else has it, or it was lost: the next try tells.
      }
      current = undefined
    }
  })()
  return {
    leads: () => current !== undefined && !current.aborted && !stopped.signal.aborted,
    async stop() {
      stopped.abort()
      await ended
    },
  }
}

function either(...signals) {
  return new Promise((resolve) => {
    for (const signal of signals) {
      if (signal.aborted) resolve()
      signal.addEventListener('abort', () => resolve(), { once: true })
    }
  })
}
