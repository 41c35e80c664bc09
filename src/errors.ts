/**
 * The errors of the library: one class, few codes. Messages name what was expected and what came, and never contain a
 * password, a URL with credentials, or anything else that must not reach a log.
 */

/** What went wrong, for programs; what to do about each is in the runbook. */
export type TenureErrorCode =
  /** The store did not answer, or not in time. Nobody knows whether the call took effect. Try again. */
  | 'store-unreachable'
  /** The store refuses the credentials, or the rights do not suffice. */
  | 'store-denied'
  /** The store cannot keep its promises: a missing table, an unsafe setting, a record that is not ours. */
  | 'store-unfit'
  /** The work threw or rejected while its tenure was held. */
  | 'work-failed'
  /** The work had not settled `drainMs` after the end of its tenure. It still runs. */
  | 'work-overran'
  /** A listener threw or rejected. */
  | 'listener-failed'
  /** An option is missing, of the wrong type, or out of range. */
  | 'bad-option'
  /** `assertHeld()` was called after the end of the tenure. */
  | 'not-held'
  /** A guarded resource has seen a larger fencing token than the one it was given. */
  | 'stale-token'
  /** Somebody else's run was not done within the time that `runOnce` was to wait. */
  | 'not-done'
  /** The bus of a failover is down, or could not be spoken on. Nothing depends on it; it is joined again. */
  | 'bus-unreachable'

/** Every error of the library. Its message is for people and holds no secret; `cause` is what was thrown below. */
export class TenureError extends Error {
  override readonly name = 'TenureError'
  readonly code: TenureErrorCode
  constructor(code: TenureErrorCode, message: string, options?: { readonly cause?: unknown }) {
    // A store may be anybody's, and its errors may say anything.
    super(maskSecrets(message), options)
    this.code = code
  }
}

/** Name what came, for a message: value and type, cut to a bearable length. */
export function describeValue(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  const text = typeof value === 'string' ? JSON.stringify(maskSecrets(value)) : typeof value === 'object' ? '' : String(value)
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text
  return short === '' ? (Array.isArray(value) ? 'an array' : 'an object') : `${short} (${typeof value})`
}

export function badOption(option: string, expected: string, value: unknown): TenureError {
  return new TenureError('bad-option', `Expected \`${option}\` to be ${expected}, got ${describeValue(value)}`)
}

/** Whatever a store threw, as one of the three codes a store may answer with. */
export function asStoreError(store: string, verb: string, thrown: unknown): TenureError {
  if (thrown instanceof TenureError && thrown.code.startsWith('store-')) return thrown
  return new TenureError('store-unreachable', `${store}: ${verb} failed: ${messageOf(thrown)}`, { cause: thrown })
}

/** The message of whatever was thrown, with the passwords of URLs masked. */
export function messageOf(thrown: unknown): string {
  try {
    return maskSecrets(String(thrown instanceof Error ? thrown.message || thrown.name : thrown))
  } catch {
    // Anything may be thrown, also what has no words.
    return 'it cannot be said in words'
  }
}

/** Without what ioredis hangs on its errors: the words of the command, which may be credentials. */
export function bare(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || !('command' in thrown)) return thrown
  const { name, message, stack } = thrown
  return Object.assign(new Error(message), { name, stack })
}

/** Longer texts are cut, between words, so that no secret is cut in two: masking has to be quick. */
const MOST_CHARACTERS = 4096

/** Replace passwords in URLs, query strings, settings, JSON and headers: rather too much than too little. */
export function maskSecrets(text: string): string {
  const short = text.length > MOST_CHARACTERS ? `${text.slice(0, text.lastIndexOf(' ', MOST_CHARACTERS) + 1)}...` : text
  return short
    .replace(/(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):(?:[^\s/]*|\S*)@/gi, '$1:***@')
    .replace(named, '$1$2***')
    .replace(/(\bauthorization\W+\w+ )\S+/gi, '$1***')
}

/** `key=value`, and `"key": "value"`. A fencing token is no secret. */
const named =
  /\b(?!\w*fencing)(\w*(?:passw(?:or)?d|pwd|secret|token|api[-_]?key))(=|["']?\s*[:=]\s*(?=["']))("[^"]*"|'[^']*'|[^\s&;,'"]+)/gi
