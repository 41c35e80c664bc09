/** ts-safe-redis-leader: its events. */

import { SafeRedisLeader } from 'ts-safe-redis-leader'
import { redisAt } from './clients.mjs'

export async function stand(plan) {
  const leader = new SafeRedisLeader(redisAt(plan), plan.ttlMs, 1000, plan.election)
  let leads = false
  leader.on('elected', () => {
    leads = true
    plan.elected()
  })
  leader.on('demoted', () => {
    leads = false
  })
  // After an error it neither renews nor stands any more.
  leader.on('error', () => process.exit(1))
  leader.elect()
  return {
    leads: () => leads,
    async stop() {
      leads = false
      await leader.shutdown()
    },
  }
}
