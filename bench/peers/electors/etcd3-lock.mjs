/** The Lock of etcd3: it neither waits nor tells of a loss, so it is tried every half second and held until the end. */

import { Etcd3 } from 'etcd3'

export async function stand(plan) {
  const client = new Etcd3({ hosts: `http://127.0.0.1:${plan.port}` })
  let held
  let stopped = false
  const attempt = async () => {
    const lock = client.lock(plan.election).ttl(plan.ttlMs / 1000)
    try {
      await lock.acquire()
    } catch {
      if (!stopped) setTimeout(attempt, 500)
      return
    }
    held = lock
    plan.elected()
  }
  attempt()
  return {
    leads: () => held !== undefined,
    async stop() {
      stopped = true
      const lock = held
      held = undefined
      await lock?.release()
    },
  }
}
