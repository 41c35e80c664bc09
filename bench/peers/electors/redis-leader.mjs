/** redis-leader: its events. It advises to end the process upon an error. */

import Leader from 'redis-leader'
import { redisAt } from './clients.mjs'

export async function stand(plan) {
  const leader = new Leader(redisAt(plan), { key: plan.election, ttl: plan.ttlMs, wait: 1000 })
  let leads = false
  leader.on('elected', () => {
    leads = true
    plan.elected()
  })
  leader.on('revoked', () => {
    leads = false
  })
  leader.on('error', () => process.exit(1))
  leader.elect()
  return {
    leads: () => leads,
    async stop() {
      const told = leads ? new Promise((resolve) => leader.once('revoked', resolve)) : undefined
      // Its own word comes after it has let go; who uses it ends the work before.
      leads = false
      leader.stop()
      await told
    },
  }
}
