/**
 * What a driver of SQLite throws, as the three codes a store may answer with, in one clear line; and what is no failure
 * but a reason to try again in a moment.
 */

import { messageOf, TenureError, type TenureErrorCode } from '../../errors.ts'

/** Primary result codes of SQLite. */
const codes = {
  ERROR: 1,
  PERM: 3,
  BUSY: 5,
  LOCKED: 6,
  NOMEM: 7,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  PROTOCOL: 15,
  TOOBIG: 18,
  CONSTRAINT: 19,
  MISMATCH: 20,
  AUTH: 23,
  NOTADB: 26,
} as const

interface Meaning {
  readonly code: TenureErrorCode
  readonly advice: string
}

const rights = 'Open it for writing, as a user who may write the file and its directory'

const meanings: Readonly<Record<number, Meaning>> = {
  [codes.PERM]: { code: 'store-denied', advice: rights },
  [codes.READONLY]: { code: 'store-denied', advice: rights },
  [codes.CANTOPEN]: { code: 'store-denied', advice: rights },
  [codes.AUTH]: { code: 'store-denied', advice: 'The authorizer of the connection forbids it' },
  [codes.NOMEM]: { code: 'store-unreachable', advice: 'This process is out of memory' },
  [codes.IOERR]: { code: 'store-unreachable', advice: 'The disk fails, or is full' },
  [codes.FULL]: { code: 'store-unreachable', advice: 'The disk is full, or max_page_count is reached: make room' },
  [codes.CORRUPT]: { code: 'store-unfit', advice: 'The file is damaged: restore it' },
  [codes.NOTADB]: { code: 'store-unfit', advice: 'The file is no database, or is encrypted with another key' },
}

/** What the text of an error says that its code does not. */
const sentences: readonly (Meaning & { readonly text: RegExp })[] = [
  {
    text: /no such table: (main\.)?tenure_/,
    code: 'store-unfit',
    advice: 'Call ensureSchema() of the store once, or run the SQL that `tenure ddl --store sqlite:...` prints',
  },
  {
    text: /no such column|has no column|is not unique|does not match any PRIMARY KEY|cannot modify .* because it is a view/,
    code: 'store-unfit',
    advice: 'There is a table tenure_lease that is not ours: rename it, or use another file',
  },
  {
    text: /not open|finalized|is closed/,
    code: 'store-unfit',
    advice: 'The connection was closed: keep it open until the last stop()',
  },
]

/** What a driver threw, as an error of the store. */
export function storeError(verb: string, file: string, thrown: unknown): TenureError {
  if (thrown instanceof TenureError) return thrown
  const text = messageOf(thrown)
  const meaning = sentences.find((sentence) => sentence.text.test(text)) ?? meanings[codeOf(thrown) ?? 0]
  const told = `sqlite: ${verb} failed${file && ` in ${file}`}: ${text}`
  if (!meaning) return new TenureError('store-unreachable', told, { cause: thrown })
  return new TenureError(meaning.code, `${told}. ${meaning.advice}`, { cause: thrown })
}

/** Why one has to wait for others, in words; `undefined` where waiting does not help. Nothing was written then. */
export function hindranceOf(thrown: unknown): string | undefined {
  const text = messageOf(thrown)
  // The user's own work on the same connection, between two turns of the loop.
  if (/within a transaction|inside a transaction|busy executing/.test(text)) {
    return 'a transaction or a query of yours is open on this connection. Give the store a connection of its own'
  }
  const code = codeOf(thrown)
  if (code === codes.BUSY || code === codes.LOCKED || code === codes.PROTOCOL) return 'it is locked by another writer'
  return undefined
}

/** Whether one row of a batch is to blame, so that its neighbours are well. */
export function isAboutData(thrown: unknown): boolean {
  const code = codeOf(thrown instanceof TenureError ? thrown.cause : thrown)
  return code === codes.TOOBIG || code === codes.CONSTRAINT || code === codes.MISMATCH
}

/** The primary result code, however the driver tells it. */
function codeOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error)) return undefined
  for (const key of ['errcode', 'rawCode'] as const) {
    const told: unknown = key in thrown ? Reflect.get(thrown, key) : undefined
    // The lowest byte; what is above tells more of the same.
    if (typeof told === 'number') return told & 0xff
  }
  const name = 'code' in thrown && typeof thrown.code === 'string' ? /^SQLITE_([A-Z]+)/.exec(thrown.code)?.[1] : undefined
  return name !== undefined && Object.hasOwn(codes, name) ? codes[name as keyof typeof codes] : undefined
}
