/** `using` of redlock 5, with its defaults. */

import Redlock from 'redlock'
import { redisAt } from './clients.mjs'
import { standByUsing } from './using.mjs'

export async function stand(plan) {
  const redlock = new Redlock([redisAt(plan)])
  redlock.on('error', () => {})
  return standByUsing((routine) => redlock.using([plan.election], plan.ttlMs, routine), plan.elected)
}
