/** proper-lockfile: hold the lock of a file until it is compromised. */

import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import lockfile from 'proper-lockfile'

/** It takes no less. */
const LEAST = 5000

export async function stand(plan) {
  const file = join(plan.directory, plan.election)
  closeSync(openSync(file, 'a'))
  let release
  let stopped = false
  const acquire = async () => {
    if (stopped) return
    let compromised = false
    try {
      const held = await lockfile.lock(file, {
        stale: Math.max(LEAST, plan.ttlMs),
        retries: { forever: true, factor: 1, minTimeout: 200, maxTimeout: 200 },
        onCompromised() {
          compromised = true
          release = undefined
          acquire()
        },
      })
      if (compromised) return
      release = held
      plan.elected()
    } catch {
      setTimeout(acquire, 200)
    }
  }
  acquire()
  return {
    leads: () => release !== undefined,
    async stop() {
      stopped = true
      const held = release
      release = undefined
      await held?.()
    },
  }
}
