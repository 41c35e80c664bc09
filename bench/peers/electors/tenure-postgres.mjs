/** Tenure on rows of Postgres. */

import { postgres } from 'tenure/postgres'
import { poolAt } from './clients.mjs'
import { standOn } from './tenure.mjs'

export async function stand(plan) {
  const store = postgres(poolAt(plan))
  await store.ensureSchema()
  return standOn(store, plan)
}
