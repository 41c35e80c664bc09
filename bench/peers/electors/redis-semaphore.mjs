/** The Mutex of redis-semaphore, as in its example with lost lock handling: act while `isAcquired`. */

import { Mutex } from 'redis-semaphore'
import { redisAt } from './clients.mjs'

export async function stand(plan) {
  const redis = redisAt(plan)
  const stopped = new AbortController()
  let held
  const ended = (async () => {
    while (!stopped.signal.aborted) {
      const mutex = new Mutex(redis, plan.election, { lockTimeout: plan.ttlMs, onLockLost() {} })
      try {
        await mutex.acquire(stopped.signal)
      } catch {
        // Ten seconds have passed, or it was told to stop.
        continue
      }
      held = mutex
      plan.elected()
      while (mutex.isAcquired && !stopped.signal.aborted) await pause(20, stopped.signal)
      held = undefined
      await mutex.release()
    }
  })()
  return {
    leads: () => held?.isAcquired ?? false,
    async stop() {
      stopped.abort()
      await ended
    },
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
    signal.addEventListener('abort', resolve, { once: true })
  })
}
