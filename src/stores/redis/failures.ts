/**
 * What the server said no with, or why it could not be asked, as one of the three codes of a store. It must tell the
 * server's own answers from failures of the connection, and never show a secret.
 */

import { bare, maskSecrets, messageOf, TenureError, type TenureErrorCode } from '../../errors.ts'
import type { Wires } from './wire.ts'

type Code = Extract<TenureErrorCode, `store-${string}`>

/** What the page of the store lists. */
export const RIGHTS =
  '~tenure:* &tenure:* +evalsha +eval +time +info +exists +hmget +hset +pttl +pexpire +del +publish +subscribe +unsubscribe ' +
  '+config|get +scan +client|setname'
const lacking =
  `the rights do not suffice, and \`tenure doctor\` tells which; needed are ${RIGHTS}, for runOnce +get +set, and before each \`tenure:\` ` +
  'the prefix if there is one'

/** The first words of the server's refusals, and what to do about them. Those of a script came after other words until Redis 7. */
const codes: readonly (readonly [RegExp, Code, string?])[] = [
  [/^NOAUTH\b/, 'store-denied', 'the server needs a password: redis://:***@host'],
  [/^(WRONGPASS|DENIED)\b/, 'store-denied'],
  [/^NOPERM\b|^ERR (ACL failure in script|.*The user executing the script can't)/, 'store-denied', lacking],
  [/^ERR (invalid password|AUTH\b|Client sent AUTH)/i, 'store-denied'],
  [/^-?READONLY\b|^ERR .*: -READONLY\b/, 'store-unreachable', 'the server has become a replica: the next call connects anew'],
  [/^WRONGTYPE\b/, 'store-unfit', 'a key of this election is not ours'],
  [/^MOVED\b/, 'store-unfit', 'this server belongs to a Cluster, and needs a client for one'],
  [/^ERR unknown command/i, 'store-unfit'],
]

/** Whether the server answered, although with an error. Redis begins each with a word in capitals. */
export function isReply(thrown: unknown): boolean {
  return thrown instanceof Error && /^-?[A-Z][A-Z0-9]+ /.test(thrown.message)
}

/** The connection has answered, but must not be used again: it leads to a replica, or lost its credentials. */
export function isStale(thrown: unknown): boolean {
  return thrown instanceof Error && /^(?:-|ERR .*: -)?(READONLY|NOAUTH|MASTERDOWN|CLUSTERDOWN|LOADING)\b/.test(thrown.message)
}

/** How it sounds where the other side speaks something else. */
const strange = /\b(EPIPE|ECONNRESET|EPROTO|SSL routines|RESP|Protocol error|closed|Connection timeout|no answer)\b/i

/** Why no connection came about. Whether that is Redis at all only people can know, so that they are asked. */
export function openingFailureOf(thrown: unknown): unknown {
  if (thrown instanceof TenureError || isReply(thrown)) return thrown
  const text = textOf(thrown)
  if (!strange.test(text)) return thrown
  return new Error(`${text} (if that lasts: is it Redis, and with TLS or without?)`, { cause: bare(thrown) })
}

/** It takes no writes, and what it tells may be old. */
export function replicaError(topology: Wires['topology']): TenureError {
  if (topology === 'single') return new TenureError('store-unfit', 'redis: the server is a read replica. Connect to the primary')
  // Who says so may be behind; the client is told of another soon.
  return new TenureError('store-unreachable', 'redis: the server was named as the primary, and is a replica. It is asked for anew')
}

export function failureOf(verb: string, thrown: unknown): TenureError {
  if (thrown instanceof TenureError) return thrown
  const text = textOf(thrown)
  const [, code = 'store-unreachable', advice] = codes.find(([words]) => words.test(text)) ?? []
  const said = advice === undefined ? text : `${advice} (${text})`
  return new TenureError(code, `redis: ${verb} failed: ${said}`, { cause: bare(thrown) })
}

/** A host with several addresses fails with an error of errors, whose own message is empty. */
function textOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') return maskSecrets(thrown.errors.map(messageOf).join(', '))
  return messageOf(thrown)
}
