/**
 * What the file store has to get right, one scenario each, as data: run against the store as it is, where each has to
 * pass, and against stores with a planted fault, where the one that knows the fault has to fail.
 */

import type { FileStore } from '../../../../src/stores/file.ts'
import { Bench, isOurs, patient, type Subject } from '../bench.ts'

export interface Scenario {
  readonly name: string
  readonly run: (bench: Bench) => Promise<void>
}

export async function play(scenario: Scenario, subject: Subject): Promise<void> {
  const bench = await Bench.open(subject)
  try {
    await scenario.run(bench)
  } finally {
    await bench.close()
  }
}

/** One tenure from beginning to end. */
export async function serve(bench: Bench, store: FileStore, election = 'e'): Promise<number> {
  const bid = bench.bid(election)
  const lease = await store.acquire(bid, patient)
  if (!lease || !isOurs(lease, bid)) throw new Error(`Expected a free lease, got ${JSON.stringify(lease)}`)
  await store.release(bid, patient)
  return lease.fencingToken
}
