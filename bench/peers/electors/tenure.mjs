/** What the electors of Tenure share: one candidate on one store. */

import { Candidate } from 'tenure'

export async function standOn(store, plan) {
  const candidate = new Candidate({ election: plan.election, store, ttlMs: plan.ttlMs })
  candidate.on('elected', plan.elected)
  candidate.on('trouble', () => {})
  await candidate.start()
  return { leads: () => candidate.isLeader, stop: () => candidate.stop() }
}
