/**
 * The statements of the lease table. What differs between databases is in a `Dialect`, and nowhere else; what a lease
 * means (who may take it, which token it gets, what a release leaves) is written once, in terms of it.
 *
 * May assume a table made by `leaseTable`. Must never compare an instant of the table with a clock that is not the
 * database's, lower a token, or write for a bid that is refused.
 */

/** How a database says what the statements mean. */
export interface Dialect {
  readonly text: string
  readonly integer: string
  readonly instant: string
  /** What follows the columns of the table. */
  readonly storage: string
  /** The time of this instant: asked anew wherever it stands, not the time at which the transaction began. */
  readonly now: string
  /** An instant that is over for ever. */
  readonly never: string
  /** Milliseconds, as an amount that can be added to an instant. */
  millis(amount: string): string
  /** Microseconds since 1970, an integer. */
  micros(instant: string): string
  /** Whole milliseconds from one instant to another, rounded down. */
  between(from: string, to: string): string
  larger(a: string, b: string): string
  smaller(a: string, b: string): string
}

export const postgres: Dialect = {
  text: 'text',
  integer: 'bigint',
  instant: 'timestamptz',
  // Room beside each row, and no index on what a renewal changes: a renewal then stays within its page.
  storage: ' WITH (fillfactor=50, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_scale_factor=0)',
  now: 'clock_timestamp()',
  never: 'to_timestamp(0)',
  millis: (amount) => `${amount} * interval '1 ms'`,
  micros: (instant) => `(extract(epoch FROM ${instant}) * 1000000)::bigint`,
  between: (from, to) => `floor(extract(epoch FROM ${to} - ${from}) * 1000)::bigint`,
  larger: (a, b) => `greatest(${a}, ${b})`,
  smaller: (a, b) => `least(${a}, ${b})`,
}

/** The format this code reads and writes; a row that bears another is not ours to touch. */
export const FORMAT = 1

/** The columns of a lease, in the order of the table. */
const columns = 'name holder candidate advert token ttl_ms acquired_at expires_at format'.split(' ')

export function leaseTable(d: Dialect): string {
  return `CREATE TABLE IF NOT EXISTS tenure_lease (
  name ${d.text} PRIMARY KEY,
  holder ${d.text} NOT NULL,
  candidate ${d.text} NOT NULL,
  advert ${d.text},
  token ${d.integer} NOT NULL,
  ttl_ms ${d.integer} NOT NULL,
  acquired_at ${d.instant} NOT NULL,
  expires_at ${d.instant} NOT NULL,
  format integer NOT NULL DEFAULT ${FORMAT}
)${d.storage}`
}

export function fenceTable(d: Dialect): string {
  return `CREATE TABLE IF NOT EXISTS tenure_fence (
  resource ${d.text} PRIMARY KEY,
  token ${d.integer} NOT NULL
)`
}

export function memoTable(d: Dialect): string {
  return `CREATE TABLE IF NOT EXISTS tenure_memo (
  name ${d.text} PRIMARY KEY,
  text ${d.text} NOT NULL
)`
}

/** Note the token of a write that is allowed; gives no row where a larger one has been seen. Takes resource and token. */
export function fenceStatement(resource: string, token: string): string {
  return `INSERT INTO tenure_fence AS f (resource, token) VALUES (${resource}, ${token})
ON CONFLICT (resource) DO UPDATE SET token = excluded.token WHERE f.token <= excluded.token RETURNING token`
}

/**
 * Whether a lease `l` may be taken by a bid `b`: it is another's, and over, or it is exactly the one that the bidder has
 * watched for its whole ttl (`b.stale`), which is how a lease ends whose clock was stepped back. A holder that has been
 * here never comes back.
 */
export function isFree(d: Dialect, l: string, b: string): string {
  return `${l}.format = ${FORMAT} AND ${l}.holder <> ${b}.holder AND (${l}.expires_at <= ${d.now} OR ${d.micros(`${l}.expires_at`)} = ${b}.stale)`
}

/** What taking a lease `l` over for a bid `b` sets. The token grows even where the clock does not. */
export function takeover(d: Dialect, l: string, b: string): string {
  return `holder = ${b}.holder, candidate = ${b}.candidate, advert = ${b}.advert, ttl_ms = ${b}.ttl, acquired_at = ${d.now},
    token = ${d.larger(`${l}.token + 1`, d.micros(d.now))}, expires_at = ${d.now} + ${d.millis(`${b}.ttl`)}`
}

/** The row of a bid `b` for an election that never had one, in the order of the table. */
export function firstRow(d: Dialect, b: string): string {
  const { micros, millis, now } = d
  return `${b}.name, ${b}.holder, ${b}.candidate, ${b}.advert, ${micros(now)}, ${b}.ttl, ${now}, ${now} + ${millis(`${b}.ttl`)}, ${FORMAT}`
}

/**
 * What is told of a lease, all of it text so that no driver makes a number of it: name, holder, candidate, advert,
 * token, ttl, milliseconds left, milliseconds held, expiry in microseconds, whether it lies further ahead than a ttl,
 * and the format.
 */
function told(d: Dialect, l: string): string {
  const left = d.between(d.now, `${l}.expires_at`)
  const held = d.between(`${l}.acquired_at`, d.now)
  return [
    `${l}.name`,
    `${l}.holder`,
    `${l}.candidate`,
    `${l}.advert`,
    text(`${l}.token`),
    text(`${l}.ttl_ms`),
    text(d.larger('0', d.smaller(`${l}.ttl_ms`, left))),
    text(d.larger('0', held)),
    text(d.micros(`${l}.expires_at`)),
    `CASE WHEN ${left} > ${l}.ttl_ms THEN 'ahead' ELSE '' END`,
    text(`${l}.format`),
  ].join(', ')
}

function text(expression: string): string {
  return `CAST(${expression} AS text)`
}

/** A statement, and the name under which a connection keeps it prepared. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/** How many requests a statement takes: one as plain parameters, or many as one array for each of them. */
export type Width = 'one' | 'many'

/** Whether a statement waits for rows that others have locked, or passes them over and says nothing about them. */
export type Patience = 'waits' | 'passes'

export interface LeaseStatements {
  /** Takes name, holder, candidate, advert, ttl, stale expiry; and how long to wait for a lock, in milliseconds. */
  readonly acquire: Statement
  /** Takes name, holder, ttl; and how long to wait. Gives name and granted ttl of what was renewed. */
  readonly renew: Statement
  /** Takes name, holder; and how long to wait. Gives the names whose row was reached, theirs or not. */
  readonly release: Statement
  /** As `release`, and nobody is told: for where the server refuses to tell, which would take the release back. */
  readonly releaseQuietly: Statement
}

/** The statements of Postgres, for one request or many. */
export function leaseStatements(width: Width, patience: Patience): LeaseStatements {
  const d = postgres
  const named = (verb: string, sql: string): Statement => ({ name: `tenure_${verb}_${width}_${patience}`, text: sql })
  // No key changes: a foreign key of others that refers to the row does not stand in the way.
  const lock = `FOR NO KEY UPDATE OF l${patience === 'passes' ? ' SKIP LOCKED' : ''}`
  const t = d.text
  const n = d.integer
  const bids = given(width, ['name', 'holder', 'candidate', 'advert', 'ttl', 'stale'], [t, t, t, t, n, n])
  const holds = given(width, ['name', 'holder', 'ttl'], [t, t, n])
  const freed = given(width, ['name', 'holder'], [t, t])
  const all = (row: string) => columns.map((column) => `${row}.${column}`).join(', ')

  // Looks before it writes: a refused bid locks nothing, and one of ours that lives is found, not taken again.
  const acquire = `WITH b AS (SELECT * FROM ${bids}),
seen AS (SELECT ${all('l')} FROM b JOIN tenure_lease l ON l.name = b.name),
free AS (
  SELECT l.name FROM b JOIN tenure_lease l ON l.name = b.name WHERE ${isFree(d, 'l', 'b')} AND ${durably('$7')}
  ORDER BY l.name ${lock}
),
taken AS (
  UPDATE tenure_lease l SET ${takeover(d, 'l', 'b')}
  FROM free JOIN b ON b.name = free.name WHERE l.name = free.name RETURNING ${all('l')}
),
made AS (
  INSERT INTO tenure_lease (${columns.join(', ')})
  SELECT ${firstRow(d, 'b')} FROM b WHERE NOT EXISTS (SELECT FROM seen WHERE seen.name = b.name) AND ${durably('$7')}
  ORDER BY b.name ON CONFLICT (name) DO NOTHING RETURNING ${columns.join(', ')}
)
SELECT ${told(d, 'l')} FROM (
  SELECT * FROM taken UNION ALL SELECT * FROM made
  UNION ALL SELECT * FROM seen WHERE NOT EXISTS (SELECT FROM taken WHERE taken.name = seen.name)
) l`

  // Asked again at the end: while it waited for a lock, the lease may have run out.
  const renew = `WITH m AS (
  SELECT l.name, b.ttl FROM ${holds} JOIN tenure_lease l ON l.name = b.name AND l.holder = b.holder
  WHERE l.expires_at > ${d.now} AND ${durably('$4')} ORDER BY l.name ${lock}
)
UPDATE tenure_lease l SET ttl_ms = m.ttl, expires_at = ${d.now} + ${d.millis('m.ttl')} FROM m
WHERE l.name = m.name AND l.expires_at > ${d.now} RETURNING l.name, ${text('m.ttl')}`

  // By name, not by holder: it waits for a bid of this holder that is still under way. Only a release tells others.
  const release = (told: string) => `WITH m AS (
  SELECT l.name, l.holder = b.holder AND l.expires_at > ${d.never} AS mine FROM ${freed} JOIN tenure_lease l ON l.name = b.name
  WHERE ${patiently('$3')} ORDER BY l.name ${lock}
),
freed AS (UPDATE tenure_lease l SET expires_at = ${d.never} FROM m WHERE l.name = m.name AND m.mine RETURNING l.name)
SELECT m.name${told} FROM m`
  const telling = `, (SELECT ${text("pg_notify('tenure_release', freed.name)")} FROM freed WHERE freed.name = m.name)`

  return {
    acquire: named('acquire', acquire),
    renew: named('renew', renew),
    release: named('release', release(telling)),
    releaseQuietly: named('release_quietly', release('')),
  }
}

/** Takes an array of names. Gives each, whether the server only follows another, and its lease if there is one. */
export const readStatement: Statement = {
  name: 'tenure_read',
  text: `SELECT b.name, CASE WHEN pg_is_in_recovery() THEN 'recovering' ELSE '' END, ${told(postgres, 'l')}
FROM unnest($1::text[]) AS b(name)
LEFT JOIN tenure_lease l ON l.name = b.name AND (l.expires_at > ${postgres.now} OR l.format <> ${FORMAT})`,
}

/** Without the rows of others, which could not be read: an advisory lock keeps its elections in the same table. */
export const listStatement: Statement = {
  name: 'tenure_list',
  text: `SELECT name FROM tenure_lease WHERE format = ${FORMAT} ORDER BY name`,
}

/** Takes a name. Gives whether the server only follows another, and the memo if there is one. */
export const recallStatement: Statement = {
  name: 'tenure_recall',
  text: `SELECT CASE WHEN pg_is_in_recovery() THEN 'recovering' ELSE '' END, (SELECT m.text FROM tenure_memo m WHERE m.name = $1)`,
}

/**
 * Takes name, token, text; and how long to wait for a lock. Gives a row where it was written. The lease stays locked
 * until the memo is, so that nobody follows in between.
 */
export const rememberStatement: Statement = {
  name: 'tenure_remember',
  text: `WITH l AS (
  SELECT l.name, l.expires_at FROM tenure_lease l
  WHERE l.name = $1::text AND l.token = $2::bigint AND l.format = ${FORMAT} AND l.expires_at > ${postgres.now} AND ${durably('$4')} FOR NO KEY UPDATE OF l
)
INSERT INTO tenure_memo (name, text) SELECT l.name, $3::text FROM l WHERE l.expires_at > ${postgres.now}
ON CONFLICT (name) DO UPDATE SET text = excluded.text RETURNING name`,
}

/** The requests as a table `b`: what the planner knows of their number decides between index and scan. */
function given(width: Width, names: readonly string[], types: readonly string[]): string {
  const one = types.map((type, index) => `$${index + 1}::${type}`).join(', ')
  const many = types.map((type, index) => `$${index + 1}::${type}[]`).join(', ')
  return `${width === 'one' ? `(VALUES (${one}))` : `unnest(${many})`} AS b(${names.join(', ')})`
}

/** True, and for the rest of this transaction no lock is waited for longer than that. Costs nothing where no row is met. */
function patiently(waitMs: string): string {
  return `(SELECT set_config('lock_timeout', ${waitMs}, true)) IS NOT NULL`
}

/** As `patiently`; and the commit waits for its log to be on disk, whatever the session was told. */
function durably(waitMs: string): string {
  const safe = "CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END"
  return `(SELECT set_config('lock_timeout', ${waitMs}, true) || set_config('synchronous_commit', ${safe}, true)) IS NOT NULL`
}
