/** What may be written as the memo of an election: every store says the same, before it asks anybody. */

import { badOption } from '../../errors.ts'

/** In bytes of UTF-8. */
const MOST_BYTES = 4096

/** Throws a `TenureError` of code `bad-option`. */
export function checkMemo(text: unknown): asserts text is string {
  if (typeof text === 'string' && text.isWellFormed() && !text.includes('\0') && new TextEncoder().encode(text).length <= MOST_BYTES) return
  throw badOption('text', 'a well-formed string without U+0000, of at most 4 kB', text)
}
