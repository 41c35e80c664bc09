/**
 * The names of what is kept in Redis: a wire format. All keys of an election carry its name as their hash tag, so that
 * a Cluster keeps them on one node. The name is readable, and no two names meet.
 */

import { badOption } from '../../errors.ts'

export interface Keys {
  readonly lease: string
  readonly token: string
  readonly memo: string
}

export function keysOf(prefix: string, election: string): Keys {
  const tag = `${prefix}tenure:{${encodeName(election)}}`
  return { lease: `${tag}:lease`, token: `${tag}:token`, memo: `${tag}:memo` }
}

/** Where releases are told. */
export function channelOf(prefix: string): string {
  return `${prefix}tenure:release`
}

/** What matches all token keys, for SCAN. */
export function patternOf(prefix: string): string {
  return `${prefix.replace(/[\\*?[\]]/g, '\\$&')}tenure:{*}:token`
}

/** The election that a token key belongs to; `undefined` for a key that only looks like one. */
export function electionOf(prefix: string, key: string): string | undefined {
  const [start, end] = [`${prefix}tenure:{`, '}:token']
  if (!key.startsWith(start) || !key.endsWith(end) || key.length < start.length + end.length) return undefined
  const name = decodeName(key.slice(start.length, -end.length))
  return keysOf(prefix, name).token === key ? name : undefined
}

/** Braces would end the hash tag early, and two elections could share a slot, or one election have two. */
export function encodeName(name: string): string {
  return name.replace(/[{}%]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function decodeName(text: string): string {
  return text.replace(/%(7B|7D|25)/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** What a driver puts before its keys. A brace in it would move the hash tag. */
export function prefixOf(prefix: string | Uint8Array | undefined | null): string {
  const text = prefix instanceof Uint8Array ? new TextDecoder().decode(prefix) : (prefix ?? '')
  if (/[{}]/.test(text)) throw badOption('keyPrefix', 'a string without braces', text)
  return text
}
