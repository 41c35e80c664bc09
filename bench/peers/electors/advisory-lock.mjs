/** `withLock` of advisory-lock, over a session of Postgres. */

import advisoryLock from 'advisory-lock'
import { postgresUrl } from './clients.mjs'
import { standByUsing } from './using.mjs'

const lockAt = advisoryLock.default ?? advisoryLock

export async function stand(plan) {
  const mutex = lockAt(postgresUrl(plan))(plan.election)
  // It has no word for a lock that is lost.
  const never = new AbortController().signal
  return standByUsing((routine) => mutex.withLock(() => routine(never)), plan.elected)
}
