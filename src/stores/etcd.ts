/**
 * Leases in etcd 3.4 or later, over its JSON gateway with `fetch`: no gRPC, no package.
 *
 * Whose clock: etcd's (that of the leading member), by a lease of etcd. What makes it atomic: one transaction that puts a
 * key where the election has none. Where the token comes from: the create revision of that key, which grows with every
 * write to the cluster. What is lost if the server loses its memory: everything, tokens included; restored from a
 * snapshot, tokens fall unless `--bump-revision` was given. Level A from 3.4.31, 3.5.13 and 3.6 on, and on a single
 * member; before, a member that had ceased to lead could still revoke a living lease (B).
 */

import type { Author, LeaseStore } from '../store.ts'
import { Bids } from './etcd/bids.ts'
import { type FencedTenure, fenced } from './etcd/fenced.ts'
import { Gateway } from './etcd/gateway.ts'
import { Keys } from './etcd/keys.ts'
import { Names } from './etcd/names.ts'
import { type EtcdOptions, settingsOf } from './etcd/options.ts'
import { Watcher } from './etcd/watcher.ts'
import type { Compare } from './etcd/wire.ts'
import { checkMemo } from './shared/memo.ts'

export { examine } from './etcd/examine.ts'
export { type FencedOptions, type FencedTenure, fenced } from './etcd/fenced.ts'
export type { EtcdFetch, EtcdOptions, EtcdReader, EtcdRequest, EtcdResponse } from './etcd/options.ts'
export type { Compare } from './etcd/wire.ts'

/** The server keeps whole seconds, and its own least ttl is 2 with the default timings. */
const LEAST_TTL_MS = 2000

/** A store in etcd, and what only etcd can do. */
export interface EtcdStore extends LeaseStore {
  /** How many requests were sent so far. */
  readonly requests: number
  /**
   * Comparisons for a transaction of your own: it succeeds only while this tenure stands. Throws a `TenureError` of code
   * `stale-token` where that is known to be over.
   */
  fenced(tenure: FencedTenure): readonly Compare[]
}

/** A store in etcd. Contacts nobody. Throws a `TenureError` of code `bad-option`. */
export function etcd(options: EtcdOptions): EtcdStore {
  const settings = settingsOf(options)
  const { clock, prefix, interop } = settings
  const gateway = new Gateway(settings)
  const names = new Names(prefix, interop)
  const keys = new Keys(gateway, names, clock)
  const bids = new Bids({ gateway, names, keys, clock })
  const watcher = new Watcher({
    gateway,
    names,
    settings,
    deleted: (election, key, revision) => bids.deleted(election, key, revision),
    taken: (election) => bids.taken(election),
  })

  return {
    name: 'etcd',
    minTtlMs: LEAST_TTL_MS,
    get requests() {
      return gateway.requests
    },
    acquire: (bid, signal) => bids.acquire(bid, signal),
    renew: (bid, signal) => bids.renew(bid, signal),
    release: (hold, signal) => bids.release(hold, signal),
    read: (election, signal) => bids.read(election, signal),
    watch: (election, changed, signal) => watcher.watch(election, changed, signal),
    // With bare names nobody can tell an election from any other key.
    ...(names.root !== '' && {
      async list(signal: AbortSignal) {
        signal.throwIfAborted()
        return keys.elections(signal)
      },
    }),
    // Where others elect, a key beside the directory may be theirs.
    ...(!interop && {
      memo: {
        read: async (election: string, signal: AbortSignal) => bids.recall(election, signal),
        async write(author: Author, text: string, signal: AbortSignal) {
          checkMemo(text)
          return bids.remember(author, text, signal)
        },
      },
    }),
    fenced: (tenure) => (interop ? bids.fenced(tenure) : fenced(tenure, { prefix })),
    async close() {
      watcher.close()
      bids.close()
      gateway.close()
    },
  }
}
