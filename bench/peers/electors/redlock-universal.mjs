/** `using` of redlock-universal, with its defaults. */

import { createLock, IoredisAdapter } from 'redlock-universal'
import { redisAt } from './clients.mjs'
import { standByUsing } from './using.mjs'

export async function stand(plan) {
  const lock = createLock({ adapter: new IoredisAdapter(redisAt(plan)), key: plan.election, ttl: plan.ttlMs })
  return standByUsing((routine) => lock.using(routine), plan.elected)
}
