/**
 * What the server said no with, or why it could not be asked, as one of the three codes of a store. It must tell the
 * server's own answers from failures of the connection, and never show a secret.
 */

import { bare, maskSecrets, messageOf, TenureError, type TenureErrorCode } from '../../errors.ts'

type Code = Extract<TenureErrorCode, `store-${string}`>

/** The first words of the server's refusals that do not mend themselves. */
const codes: readonly (readonly [RegExp, Code, string?])[] = [
  [/^NOAUTH\b/, 'store-denied', 'the server needs a password: redis://:***@host'],
  [/^(WRONGPASS|NOPERM|DENIED)\b/, 'store-denied'],
  [/^ERR (invalid password|AUTH\b|Client sent AUTH|The user executing the script)/i, 'store-denied'],
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
  return thrown instanceof Error && /^-?(READONLY|NOAUTH|MASTERDOWN|CLUSTERDOWN|LOADING)\b/.test(thrown.message)
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
