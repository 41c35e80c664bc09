/**
 * The contract between an election and the place where its lease is kept.
 *
 * A store knows leases and nothing else: no roles, no deadlines, no candidates that believe something. It may assume
 * that a holder names one attempt and is never used for another. It must never hand out a live lease twice, never
 * compare a time stamp of one host with the clock of another, and never answer when it does not know.
 *
 * Types only. The laws that a store has to keep are data in `tenure/testing`.
 */

/** How an election stands in the store. */
export interface Lease {
  /** Opaque; a fresh one for every attempt. */
  readonly holder: string
  /** The id a person recognises. */
  readonly candidate: string
  /** Grows with every new holder, for ever; renewing never changes it. A safe integer. */
  readonly fencingToken: number
  /**
   * Milliseconds that were left at some instant after the call was made. For the lease of somebody else it is a hint
   * for how long to wait; 0 means that nobody holds the election now: bid again.
   */
  readonly remainingMs: number
  /** How long this holder has had the lease, in milliseconds. For people, never for decisions. */
  readonly heldMs?: number | undefined
  /** What the leader wants others to know, e.g. its URL. At most 1 kB. */
  readonly advert?: string | undefined
}

/** Names one attempt at one election: all that renewing and releasing match on. */
export interface Hold {
  readonly election: string
  readonly holder: string
}

/** A hold that somebody wants, or wants to keep. */
export interface Bid extends Hold {
  readonly candidate: string
  /** How long the lease shall live without renewal, in whole milliseconds. */
  readonly ttlMs: number
  readonly advert?: string | undefined
}

/** Names one tenure from outside of its candidate; what a `Tenure` tells of itself is enough. */
export interface Author {
  readonly election: string
  readonly fencingToken: number
}

/**
 * One short text for each election that outlives the lease, its release, and everybody who held it: what a leader leaves
 * behind for those who come later.
 */
export interface Memo {
  /** What was written last, or `undefined`. Never older than a write that was answered before. */
  read(election: string, signal: AbortSignal): Promise<string | undefined>

  /**
   * Replace the text, if the lease with this token lives: looking and writing are one step, so that nobody writes who
   * was followed by another. False: the lease is over, and nothing was written. Changes nothing of the lease. Asked of
   * the store object that acquired it. The text is well-formed, without U+0000, and has at most 4 kB.
   * Danger: a write that rejected, or a second copy of it, may land for as long as the lease lives, also after a later
   * write. Who writes one text in a tenure need not care.
   */
  write(author: Author, text: string, signal: AbortSignal): Promise<boolean>
}

/** A store's own defaults for the options of its candidates. */
export interface StoreTiming {
  readonly ttlMs?: number | undefined
  readonly renewMs?: number | undefined
  readonly callMs?: number | undefined
  /** Where a store gives this one, `renewMs < retryMs` is required of its candidates. */
  readonly retryMs?: number | undefined
}

/**
 * Where leases are kept.
 *
 * Resolving means that the store has answered, definitely. Rejecting means that nobody knows: the call may have taken
 * effect, or may yet. Reject with a `TenureError` of code `store-unreachable` (try again), `store-denied` (credentials,
 * rights) or `store-unfit` (missing table, unsafe setting, foreign record); anything else counts as unreachable.
 *
 * Every call takes an `AbortSignal` and rejects promptly once it is aborted. Whoever makes a store closes it. A store
 * with no call in flight, no lease held and no watch keeps no socket, timer or listener alive.
 */
export interface LeaseStore {
  /** Short, e.g. `postgres`; appears in errors and metrics. Never a URL. */
  readonly name: string
  /** The shortest ttl this store can keep, in milliseconds. @default 100 */
  readonly minTtlMs?: number | undefined
  readonly timing?: StoreTiming | undefined
  /**
   * Who decides that a lease is over: the store's clock, or each observer that has seen the same record unchanged for
   * the record's own ttl. @default 'clock'
   */
  readonly expiry?: 'clock' | 'observed' | undefined

  /**
   * Bid for the election. Resolves with the lease as it then stands: ours if and only if it bears our holder and time
   * remains. `undefined`, or another's lease with nothing left, means that nobody holds it now: bid again.
   * The same holder asking again gets the same lease, not a longer one; a holder that was released or has expired
   * never gets one again. Looks before it writes: a refused bid takes no lock and writes nothing.
   */
  acquire(bid: Bid, signal: AbortSignal): Promise<Lease | undefined>

  /**
   * Keep what this holder has. Resolves with the milliseconds granted, counted from some instant after the call was
   * made; 0 means ours no longer, and never again.
   */
  renew(bid: Bid, signal: AbortSignal): Promise<number>

  /** Give back exactly this hold. Idempotent; does nothing to the lease of anybody else. */
  release(hold: Hold, signal: AbortSignal): Promise<void>

  /** The live lease, or `undefined`: never held, released and expired look the same. */
  read(election: string, signal: AbortSignal): Promise<Lease | undefined>

  /**
   * A hint that makes followers quick, and nothing more: it may be late, doubled, or silent for ever.
   * Pending for as long as the watch lives. Calls `changed` once when the watch is in place, then whenever the election
   * may have changed hands or the connection that carries a lease has died. Resolves when `signal` is aborted; rejects
   * when the watch is lost, and the caller arms a new one.
   */
  watch?(election: string, changed: () => void, signal: AbortSignal): Promise<void>

  /** Names of the elections this store knows, for people. */
  list?(signal: AbortSignal): Promise<readonly string[]>

  /** What outlives the leases, for stores that can keep it. */
  readonly memo?: Memo | undefined

  /** Let go of every resource. Called by whoever made the store, after the last `stop()`. */
  close?(): Promise<void>
}
