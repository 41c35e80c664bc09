/**
 * How long what may take, as parts of the ttl that it serves. Plain arithmetic; the shares stand to each other as the
 * comments say, and whoever changes one has to look at the others.
 */

/** Where no bid has told: the ttl that candidates have by default. */
export const USUAL_TTL_MS = 15_000
/** Waits for a lock take this part of the ttl: the server gives up before its caller does, and the connection stays. */
export const LOCK_SHARE = 12
/** A renewal is soon repeated; it waits for a lock just long enough for a rival to have its turn. */
export const RENEWAL_LOCK_SHARE = 30
/** Half of what a call may take by default: a caller that gave up has waited for longer. */
const SILENCE_SHARE = 12
/**
 * The longest a server may take for a statement, as a part of the ttl, and at least. Mostly the signals of the calls are
 * earlier; this is for a batch in which one caller is more patient than the others can afford.
 */
const LIMIT_SHARE = 3
const LEAST_LIMIT_MS = 1000

export function share(ttlMs: number, parts: number): number {
  return Math.max(1, Math.floor(ttlMs / parts))
}

/** The longest a server may take for a statement, in milliseconds. */
export function limit(ttlMs: number): number {
  return Math.max(LEAST_LIMIT_MS, share(ttlMs, LIMIT_SHARE))
}

/** So long without an answer are too long for a caller of this ttl that has just given up, in milliseconds. */
export function silence(ttlMs: number): number {
  return share(ttlMs, SILENCE_SHARE)
}
