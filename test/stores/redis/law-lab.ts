/** What the laws need around a Redis store: an operator, and elections that a young server may give away. */

import type { Cluster, Redis } from 'ioredis'
import type { LeaseStore } from '../../../src/store.ts'
import { keysOf } from '../../../src/stores/redis/keys.ts'

/** Delete what is kept of an election. */
export async function wipe(operator: Redis | Cluster, election: string): Promise<void> {
  const { lease, token } = keysOf('', election)
  await operator.del(lease)
  await operator.del(token)
}

/**
 * A server that is younger than the ttl gives away only what it has seen end. The laws bid for new elections with long
 * ttls; here each looks as if somebody had held it a moment ago.
 */
export function known(store: LeaseStore, operator: Redis | Cluster): LeaseStore {
  return {
    ...store,
    async acquire(bid, signal) {
      signal.throwIfAborted()
      const { token } = keysOf('', bid.election)
      if ((await operator.hexists(token, 't')) === 0) await operator.hset(token, { t: String(Date.now() * 1000), h: 'somebody', f: '1' })
      return store.acquire(bid, signal)
    },
  }
}

/** Making a connection takes long where there are many: it is kept for as long as the store is open. */
export function connected(store: LeaseStore): LeaseStore {
  store
    .watch?.('kept', () => {}, new AbortController().signal)
    .catch(() => {
      // The store was closed.
    })
  return store
}
