/** A store as the commands see it, whatever its scheme. Types only. */

import type { Server } from 'node:net'
import type { LeaseStore } from '../index.ts'

/** A store that is open, and what people have to know of it. */
export interface Connected {
  readonly store: LeaseStore
  /** Where it is, without secrets. */
  readonly where: string
  /** The SQL that makes what the store needs, where it needs any. */
  readonly ddl?: string | undefined
  /** What `doctor` asks of this kind of store alone. */
  readonly examine?: (() => Promise<Examined>) | undefined
  /** A store of the same kind in the same place, to try bids on without leaving a trace; removed after use. */
  readonly rehearse?: (<T>(use: (store: LeaseStore) => Promise<T>) => Promise<T>) | undefined
  /** For how long a server that was started a moment ago gives nobody a lease, where it refused a bid for that. */
  readonly settlingMs?: ((thrown: unknown) => number | undefined) | undefined
  /** The listening socket that is this process's sign of life in an election. */
  readonly livenessServer?: ((election: string) => Server | undefined) | undefined
  close(): Promise<void>
}

/** One thing that `doctor` has found out. `unfit`: the store cannot keep its promises like this. */
export interface Finding {
  readonly level: 'good' | 'doubtful' | 'unfit'
  readonly text: string
  /** What was found, without what to do about it. */
  readonly subject?: string | undefined
}

/** What was found in a store of one kind, and what it can keep once nothing of that is unfit. */
export interface Examined {
  readonly findings: readonly Finding[]
  readonly level: 'A' | 'B' | 'C'
  readonly meaning: string
}

/** What a URL says: the part for the client, and our own parameters, which start with `tenure_`, apart. */
export interface Address {
  readonly url: string
  readonly own: ReadonlyMap<string, string>
}
