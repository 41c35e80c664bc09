/**
 * What the scripts answered, as the words of the contract. It must take nothing on trust: an answer that is not what a
 * script of ours says is no answer.
 */

import { TenureError } from '../../errors.ts'
import type { Lease } from '../../store.ts'
import { failureOf } from './failures.ts'

/** The server was started a moment ago, and gives nobody a lease yet. */
export class Settling extends TenureError {
  readonly forMs: number
  constructor(forMs: number) {
    const why = 'what it forgot may still be believed in'
    super('store-unreachable', `redis: settling after a restart of the server: ${why}, for another ${forMs} ms`)
    this.forMs = forMs
  }
}

/** The lease as it stands; `undefined` if nobody holds it. Throws what the script found wrong. */
export function leaseOf(verb: string, reply: unknown): Lease | undefined {
  const [kind, ...rest] = partsOf(verb, reply)
  if (kind === 'over') return undefined
  if (kind !== 'lease') throw refusalOf(verb, kind, rest)
  const [holder, token, remaining, candidate, advert, held] = rest
  if (typeof holder !== 'string' || typeof candidate !== 'string') throw nonsense(verb, reply)
  return {
    holder,
    candidate,
    fencingToken: tokenOf(verb, token),
    remainingMs: numberOf(verb, remaining),
    heldMs: Math.max(0, numberOf(verb, held)),
    advert: typeof advert === 'string' ? advert : undefined,
  }
}

/** Whether the lease was given back by this very call. Throws what the script found wrong. */
export function releasedOf(reply: unknown): boolean {
  const [kind, ...rest] = partsOf('release', reply)
  if (kind === 'released' || kind === 'over') return kind === 'released'
  throw refusalOf('release', kind, rest)
}

/** Whether the memo was written. Throws what the script found wrong. */
export function writtenOf(reply: unknown): boolean {
  const [kind, ...rest] = partsOf('memo.write', reply)
  if (kind === 'written' || kind === 'over') return kind === 'written'
  throw refusalOf('memo.write', kind, rest)
}

/** The memo as it stands. */
export function memoOf(reply: unknown): string | undefined {
  const [kind, text] = partsOf('memo.read', reply)
  if (kind !== 'memo' || (text !== null && typeof text !== 'string')) throw nonsense('memo.read', reply)
  return text ?? undefined
}

/** What was granted to each of so many, in milliseconds, or why not. */
export function grantsOf(reply: unknown, count: number): (number | TenureError)[] {
  if (!Array.isArray(reply) || reply.length !== count) throw nonsense('renew', reply)
  return reply.map((grant: unknown) => (typeof grant === 'string' ? failureOf('renew', new Error(grant)) : numberOf('renew', grant)))
}

function refusalOf(verb: string, kind: unknown, [first, second]: readonly unknown[]): TenureError {
  switch (kind) {
    case 'settling':
      return new Settling(numberOf('acquire', first))
    case 'evicting':
      return new TenureError(
        'store-unfit',
        `redis: maxmemory-policy is ${String(first)}, so that Redis may remove leases: set it to noeviction, or pass \`force: true\``,
      )
    case 'unfit':
      return new TenureError(
        'store-unfit',
        second === ''
          ? `redis: the key ${String(first)} exists and is not ours`
          : `redis: the key ${String(first)} has format ${String(second)}, and this version of tenure knows format 1`,
      )
    default:
      return nonsense(verb, kind)
  }
}

function partsOf(verb: string, reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw nonsense(verb, reply)
  return reply
}

function numberOf(verb: string, value: unknown): number {
  const number = typeof value === 'string' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw nonsense(verb, value)
  return number
}

/** A token beyond what a number can hold would repeat: it is refused, never rounded. */
function tokenOf(verb: string, value: unknown): number {
  if (typeof value !== 'string' || !/^\d{1,16}$/.test(value)) throw nonsense(verb, value)
  return numberOf(verb, value)
}

function nonsense(verb: string, reply: unknown): TenureError {
  return new TenureError('store-unfit', `redis: ${verb} answered ${String(reply)}, which is no answer of ours`)
}
