/** Tenure on Redis. */

import { Redis } from 'ioredis'
import { redis } from 'tenure/redis'
import { standOn } from './tenure.mjs'

export function stand(plan) {
  return standOn(redis(new Redis(plan.port, { lazyConnect: true })), plan)
}
