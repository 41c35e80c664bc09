/**
 * The algorithms of the simulated store: what each request makes of a row, as pure functions. This is the model of the
 * contract; the mutants of the store are planted here.
 */

import type { Lease } from '../../src/store.ts'
import type { Answer, Request } from './server.ts'
import type { Session } from './sessions.ts'

/** A lease as it is kept. It expires or is freed, and is never deleted: it carries the token and the last holder. */
export interface Row {
  readonly holder: string
  readonly candidate: string
  readonly advert: string | undefined
  readonly fencingToken: number
  readonly ttlMs: number
  readonly acquiredAt: number
  readonly expiresAt: number
  /** Released. */
  readonly freed: boolean
  readonly session: Session | undefined
  /** Never used twice, so that equal versions are equal rows. */
  readonly version: number
  /** True time, for those who watch; no part of the store's own reckoning. */
  readonly writtenAt: number
}

export interface StoreMoment {
  readonly now: number
  readonly microseconds: number
  readonly session: Session | undefined
  readonly version: number
  readonly at: number
}

interface Outcome {
  readonly answer: Answer
  /** The row that replaces the old one, if it changes. */
  readonly row?: Row
}

export function expiryOf(row: Row): number {
  if (row.session?.dead) return Number.NEGATIVE_INFINITY
  return Math.min(row.expiresAt, row.session?.expiresAt ?? Number.POSITIVE_INFINITY)
}

export function evaluate(request: Request, row: Row | undefined, moment: StoreMoment): Outcome {
  switch (request.verb) {
    case 'acquire':
      return acquire(request, row, moment)
    case 'renew':
      return renew(request, row, moment)
    case 'release':
      return release(request, row, moment)
    case 'read':
      return { answer: { type: 'lease', lease: row && isLive(row, moment) ? leaseOf(row, moment) : undefined } }
    case 'get':
      return { answer: { type: 'row', row } }
    case 'put':
      return put(request, row, moment)
    default:
      return request.verb satisfies never
  }
}

/** What would last longer than it may, because the clock was stepped back since, is cut to size. */
export function cut(row: Row, now: number): Row {
  return row.freed ? row : { ...row, expiresAt: Math.min(row.expiresAt, now + row.ttlMs) }
}

export function isLive(row: Row, { now }: StoreMoment): boolean {
  return !row.freed && now < expiryOf(row)
}

function leaseOf(row: Row, { now }: StoreMoment): Lease {
  const { holder, candidate, advert, fencingToken } = row
  return { holder, candidate, advert, fencingToken, remainingMs: Math.max(0, expiryOf(row) - now), heldMs: now - row.acquiredAt }
}

function acquire(request: Request, last: Row | undefined, moment: StoreMoment): Outcome {
  if (last && isLive(last, moment)) return { answer: { type: 'lease', lease: leaseOf(last, moment) } }
  // This holder has been here before: it was released, or has expired, and never comes back.
  if (last?.holder === request.holder) return { answer: { type: 'lease', lease: undefined } }
  const fencingToken = Math.max((last?.fencingToken ?? 0) + 1, moment.microseconds)
  const row: Row = {
    holder: request.holder,
    candidate: request.candidate,
    advert: request.advert,
    fencingToken,
    ttlMs: request.ttlMs,
    acquiredAt: moment.now,
    expiresAt: moment.now + request.ttlMs,
    freed: false,
    session: moment.session,
    version: moment.version,
    writtenAt: moment.at,
  }
  return { row, answer: { type: 'lease', lease: leaseOf(row, moment) } }
}

function renew(request: Request, row: Row | undefined, moment: StoreMoment): Outcome {
  const ours = row?.holder === request.holder && row.session === moment.session
  if (!row || !ours || !isLive(row, moment)) return { answer: { type: 'granted', ms: 0 } }
  const expiresAt = moment.now + request.ttlMs
  const next: Row = { ...row, ttlMs: request.ttlMs, expiresAt, version: moment.version, writtenAt: moment.at }
  return { row: next, answer: { type: 'granted', ms: Math.min(request.ttlMs, expiryOf(next) - moment.now) } }
}

function release(request: Request, row: Row | undefined, moment: StoreMoment): Outcome {
  const done: Answer = { type: 'done' }
  if (row?.holder !== request.holder || row.freed) return { answer: done }
  return { row: { ...row, freed: true, version: moment.version, writtenAt: moment.at }, answer: done }
}

/** Compare and set. */
function put(request: Request, row: Row | undefined, moment: StoreMoment): Outcome {
  if (!request.row || (row?.version ?? 0) !== request.version) return { answer: { type: 'put', version: undefined } }
  const next: Row = { ...request.row, version: moment.version, writtenAt: moment.at }
  return { row: next, answer: { type: 'put', version: moment.version } }
}
