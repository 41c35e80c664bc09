/** `using` of @sesamecare-oss/redlock, with its defaults. */

import { Redlock } from '@sesamecare-oss/redlock'
import { redisAt } from './clients.mjs'
import { standByUsing } from './using.mjs'

export async function stand(plan) {
  const redlock = new Redlock([redisAt(plan)])
  redlock.on('error', () => {})
  return standByUsing((routine) => redlock.using([plan.election], plan.ttlMs, routine), plan.elected)
}
