/** What the rehearsals of a doctor share. It must never hide why a store refuses to serve. */

import type { LeaseStore } from '../store.ts'

/** A store that notes the elections that were bid for in it, to be cleaned up. */
export function noting(store: LeaseStore, elections: Set<string>): LeaseStore {
  return {
    ...store,
    acquire(bid, signal) {
      elections.add(bid.election)
      return store.acquire(bid, signal)
    },
  }
}

/** Use something, and clean up. Where the use failed, why it did is what matters; the same may be true of the cleaning. */
export async function cleaned<T>(use: () => Promise<T>, clean: () => Promise<unknown>): Promise<T> {
  let result: T
  try {
    result = await use()
  } catch (thrown) {
    await clean().catch(() => {})
    throw thrown
  }
  await clean()
  return result
}
