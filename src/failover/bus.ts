/**
 * The contract between a `Failover` and the bus over which its instances talk: two verbs. A bus carries hints, and may
 * lose, delay, double and reorder them as it likes: no role depends on what it says. It must never block its callers,
 * never deliver to somebody who has left, and keep nothing alive once nobody takes part.
 */

import { TenureError } from '../errors.ts'

/** The longest message, in bytes of UTF-8. Longer ones are refused when sent, and ignored when heard. */
export const MAX_MESSAGE_BYTES = 4096

/** Somebody who takes part in a bus. What a bus calls here never throws. */
export interface Member {
  /** Nobody else ever has this name; so that a bus with a channel to each member can say whose was closed. */
  readonly name: string
  /** Messages come from now on. Called again after a gap that the bus has mended by itself. */
  joined(): void
  heard(text: string): void
  /** The channel to this member has been closed: its process has ended, or has left. Not every bus can tell. */
  closed(name: string): void
  /** Something came that was no message. */
  ignored(why: 'garbage' | 'oversized'): void
}

/** A way to talk. Make one of each kind with `inProcessBus`, `ipcBus`, `unixSocketBus`, `redisBus`, `postgresBus`. */
export interface Bus {
  /** Short, e.g. `redis`; appears in errors and in the status. Never a URL. */
  readonly name: string

  /**
   * Take part. Pending for as long as it lasts: resolves when `signal` is aborted, rejects when the bus is down, and the
   * caller joins again later.
   */
  join(member: Member, signal: AbortSignal): Promise<void>

  /**
   * Tell everybody who takes part, at most once each; also the members of this object, the sender among them. Resolving
   * means only that the message has left. Rejects where it is known that it has not: nobody has joined through this
   * object, the bus is down, the message is too long, the signal is aborted.
   */
  send(text: string, signal: AbortSignal): Promise<void>
}

export function busError(bus: string, what: string, cause?: unknown): TenureError {
  return new TenureError('bus-unreachable', `${bus}: ${what}`, { cause })
}

/** Whether a text is too long for a message. */
export function isOversized(text: string): boolean {
  return text.length > MAX_MESSAGE_BYTES || new TextEncoder().encode(text).length > MAX_MESSAGE_BYTES
}
