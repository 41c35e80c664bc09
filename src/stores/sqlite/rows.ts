/** Between the words of the contract and the rows of the table; the statements, and what they take and give. */

import { TenureError } from '../../errors.ts'
import { FORMAT } from '../shared/sql.ts'
import type { Row } from './client.ts'

/** A lease as it is kept. It expires, and is never deleted: it carries the token, and remembers the last holder. */
export interface LeaseRow {
  readonly holder: string
  readonly candidate: string
  readonly advert: string | undefined
  readonly fencingToken: number
  readonly ttlMs: number
  /** Microseconds of the clock named by `clock`. */
  readonly acquiredAt: number
  /** Likewise; 0 once it has been released. */
  readonly expiresAt: number
  readonly clock: string
}

/** Everything comes as text, so that no number is ever rounded. */
const told = `l.name AS a, l.holder AS b, l.candidate AS c, l.advert AS d, CAST(l.token AS TEXT) AS e, CAST(l.ttl_ms AS TEXT) AS f,
  CAST(l.acquired_at AS TEXT) AS g, CAST(l.expires_at AS TEXT) AS h, l.clock AS i, CAST(l.format AS TEXT) AS j`

/** Takes a name. */
export const lookOneSql = `SELECT ${told} FROM main.tenure_lease AS l WHERE l.name = ?`

/** Takes an array of names as JSON. */
export const lookSql = `SELECT ${told} FROM json_each(?) AS n CROSS JOIN main.tenure_lease AS l ON l.name = n.value`

/** What a row tells, or `'foreign'` where it is not ours to judge. */
export function leaseRowOf(row: Row): LeaseRow | 'foreign' {
  const [, holder, candidate, advert, token, ttlMs, acquiredAt, expiresAt, clock, format] = row
  const fencingToken = Number(token)
  if (format !== String(FORMAT) || !Number.isSafeInteger(fencingToken)) return 'foreign'
  return {
    holder: holder ?? '',
    candidate: candidate ?? '',
    advert: advert ?? undefined,
    fencingToken,
    ttlMs: Number(ttlMs),
    acquiredAt: Number(acquiredAt),
    expiresAt: Number(expiresAt),
    clock: clock ?? '',
  }
}

/** The number of the last change of hands. */
export const newsSql = 'SELECT CAST(max(news) AS TEXT) AS a FROM main.tenure_lease'

/** What has changed hands since. Takes a number of news. */
export const sinceSql = 'SELECT name AS a FROM main.tenure_lease WHERE news > ?'

/** Takes name, holder, candidate, advert, token, ttl, acquisition, expiry, clock, news. Only after a look, under the lock. */
export const takeSql = `INSERT INTO main.tenure_lease
  (name, holder, candidate, advert, token, ttl_ms, acquired_at, expires_at, clock, news, format)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${FORMAT})
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, candidate = excluded.candidate, advert = excluded.advert,
  token = excluded.token, ttl_ms = excluded.ttl_ms, acquired_at = excluded.acquired_at, expires_at = excluded.expires_at,
  clock = excluded.clock, news = excluded.news`

/** Takes an array of [name, holder, ttl] as JSON, now twice, and the clock. Gives the names that were renewed. */
export const renewSql = `UPDATE main.tenure_lease AS l SET ttl_ms = b.ttl, expires_at = CAST(? AS INTEGER) + b.ttl * 1000
FROM (SELECT json_extract(value, '$[0]') AS name, json_extract(value, '$[1]') AS holder, json_extract(value, '$[2]') AS ttl FROM json_each(?)) AS b
WHERE l.name = b.name AND l.holder = b.holder AND l.expires_at > ? AND l.clock = ? AND l.format = ${FORMAT} RETURNING name`

/** Takes the number of the last news, and an array of [name, holder] as JSON. Gives the names that were released. */
export const releaseSql = `UPDATE main.tenure_lease AS l SET expires_at = 0, news = CAST(? AS INTEGER) + 1 + b.place
FROM (SELECT key AS place, json_extract(value, '$[0]') AS name, json_extract(value, '$[1]') AS holder FROM json_each(?)) AS b
WHERE l.name = b.name AND l.holder = b.holder AND l.expires_at > 0 AND l.format = ${FORMAT} RETURNING name`

export function foreignRow(election: string): TenureError {
  return new TenureError(
    'store-unfit',
    `sqlite: the row of \`${election}\` in tenure_lease was not written by this version: expected format ${FORMAT}. Let all candidates run one version`,
  )
}

/** Some drivers end a text at that character, and half a pair of surrogates becomes the same sign for all. */
export function checkText(what: string, value: string | undefined): void {
  if (value === undefined || (value.isWellFormed() && !value.includes('\0'))) return
  throw new TenureError('store-unfit', `sqlite: expected ${what} to be well-formed text without the character U+0000`)
}
