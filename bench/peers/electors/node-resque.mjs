/** The scheduler of node-resque: its `leader` is what it asks itself before it works. */

import { Scheduler } from 'node-resque'

export async function stand(plan) {
  const connection = { pkg: 'ioredis', host: '127.0.0.1', port: plan.port, database: 0, namespace: plan.election }
  const scheduler = new Scheduler({ connection, timeout: 1000, leaderLockTimeout: plan.ttlMs / 1000 })
  scheduler.on('leader', plan.elected)
  scheduler.on('error', () => {})
  let stopped = false
  await scheduler.connect()
  await scheduler.start()
  return {
    leads: () => scheduler.leader && !stopped,
    async stop() {
      stopped = true
      await scheduler.end()
    },
  }
}
