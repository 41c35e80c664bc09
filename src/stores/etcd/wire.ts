/**
 * The words of etcd's JSON gateway: keys and values are base64, 64-bit numbers are strings, and whatever is zero, false
 * or empty is left out. Pure; it may assume nothing of an answer but that it was JSON.
 */

import { TenureError } from '../../errors.ts'

export interface Header {
  readonly revision?: string
}

export interface KeyValue {
  readonly key?: string
  readonly value?: string
  readonly create_revision?: string
  readonly mod_revision?: string
  readonly lease?: string
}

export interface RangeAnswer {
  readonly header?: Header
  readonly kvs?: readonly KeyValue[]
}

export interface TxnAnswer {
  readonly header?: Header
  readonly succeeded?: boolean
  readonly responses?: readonly { readonly response_range?: RangeAnswer }[]
}

export interface LeaseAnswer {
  readonly ID?: string
  readonly TTL?: string
  readonly grantedTTL?: string
  readonly keys?: readonly string[]
}

export interface WatchAnswer {
  readonly header?: Header
  readonly created?: boolean
  readonly canceled?: boolean
  readonly compact_revision?: string
  readonly cancel_reason?: string
  readonly events?: readonly { readonly type?: string; readonly kv?: KeyValue }[]
}

/** A range of keys, in the words of a request. */
export interface Range {
  readonly key: string
  readonly range_end: string
}

/** A comparison, in the words of a transaction. */
export interface Compare extends Partial<Range> {
  readonly key: string
  readonly target: 'CREATE'
  readonly result: 'EQUAL'
  readonly create_revision: string
}

export function encode(text: string): string {
  let bytes = ''
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte)
  return btoa(bytes)
}

export function decode(base64 = ''): string {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0)))
}

/** All keys that begin with a prefix that ends in a slash: up to the character that follows the slash. */
export function rangeOf(prefix: string): Range {
  return { key: encode(prefix), range_end: encode(`${prefix.slice(0, -1)}0`) }
}

/** Nothing has been created in this range, or at this key. */
export function untouched(where: { readonly key: string; readonly range_end?: string }): Compare {
  return { ...where, target: 'CREATE', result: 'EQUAL', create_revision: '0' }
}

/** What was created at this revision is still there. */
export function createdAt(where: { readonly key: string; readonly range_end?: string }, revision: number): Compare {
  return { ...where, target: 'CREATE', result: 'EQUAL', create_revision: String(revision) }
}

/** The oldest key of a range. */
export function oldestOf(range: Range) {
  return { ...range, limit: '1', sort_order: 'ASCEND', sort_target: 'CREATE' }
}

/** A 64-bit number exactly, or not at all. */
export function numberOf(text: string | undefined): number {
  const number = Number(text ?? 0)
  if (Number.isSafeInteger(number)) return number
  throw new TenureError('store-unfit', `etcd: answered the number ${text}, which is no safe integer`)
}
