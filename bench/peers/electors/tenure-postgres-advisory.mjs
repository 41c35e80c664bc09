/** Tenure on the advisory locks of Postgres. */

import { postgresAdvisory } from 'tenure/postgres-advisory'
import { poolAt } from './clients.mjs'
import { standOn } from './tenure.mjs'

export async function stand(plan) {
  const store = postgresAdvisory(poolAt(plan))
  await store.ensureSchema()
  return standOn(store, plan)
}
