/**
 * The statements of the advisory lock. Each tells what is so at the server: who has the lock, and what the row beside it
 * says. May assume that one session sends them one after the other. Must never take a lock that this session has already,
 * for they stack, and never mint a token for a lock that it does not have.
 *
 * In the rows of this store, `holder` is the process id of the session at the server, a slash, and the holder: a row
 * tells of a lease only while that very session has the lock. What says when it expires is only for those who do not know.
 */

import { LOCK_FORMAT } from '../postgres/rows.ts'
import { postgres as d, type Statement } from '../shared/sql.ts'

/** The rows of this store, among those of others in the same table. */
export const FORMAT = LOCK_FORMAT

/** The lock of an election: `$raw`, where the store has a key of its own, or a number made of its name. */
function lockOf(name: string, raw: string): string {
  return `coalesce(${raw}::bigint, hashtextextended('tenure:' || ${name} COLLATE "C", 0))`
}

/** Who has which lock in this database. */
const locks = `locks AS MATERIALIZED (
  SELECT (classid::bigint << 32) | objid::bigint AS id, min(pid) AS pid, bool_or(pid = pg_backend_pid()) AS mine FROM pg_locks
  WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  GROUP BY classid, objid
)`

/** This session's part of `holder`. */
const here = `(pg_backend_pid() || '/')`

const holderIn = (l: string) => `substr(${l}.holder, strpos(${l}.holder, '/') + 1)`

const stands = (l: string) => `${l}.expires_at > ${d.never}`

/**
 * What is told of an election, all of it text: who has the lock and under which name, whether the row is theirs, and the
 * row: holder, candidate, advert, token, ttl, milliseconds held, milliseconds for which the session has been idle, format.
 */
function told(lock: string, l: string): string {
  const theirs = `${l}.format = ${FORMAT} AND ${stands(l)} AND starts_with(${l}.holder, ${lock}.pid || '/')`
  return [
    `${lock}.pid::text`,
    'activity.application_name',
    `CASE WHEN ${theirs} THEN 'theirs' ELSE '' END`,
    holderIn(l),
    `${l}.candidate`,
    `${l}.advert`,
    `${l}.token::text`,
    `${l}.ttl_ms::text`,
    `greatest(0, ${d.between(`${l}.acquired_at`, d.now)})::text`,
    `CASE WHEN activity.state = 'idle' THEN greatest(0, ${d.between('activity.state_change', d.now)})::text ELSE '0' END`,
    `${l}.format::text`,
  ].join(', ')
}

const activity = (lock: string) => `LEFT JOIN LATERAL pg_stat_get_activity(${lock}.pid) AS activity ON ${lock}.pid IS NOT NULL`

/**
 * Bid. Takes names, holders, candidates, adverts and ttls, the raw key, the process id this session is known by, and
 * whether a lock that this session has is nobody's yet. Only who asks knows that: the row can be gone, or be that of a
 * session which had the same process id. Gives name, verdict and token of each, and what is told. The verdicts: `won`;
 * `over`, this holder has been here; `held`; `again`, ask alone; `elsewhere`, the statement went to another session.
 */
export function bidStatement(patience: 'waits' | 'passes'): Statement {
  const skip = patience === 'passes' ? ' SKIP LOCKED' : ''
  const text = `WITH b AS MATERIALIZED (
  SELECT u.*, ${lockOf('u.name', '$6')} AS id, ${here} || u.holder AS mark
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) AS u(name, holder, candidate, advert, ttl)
),
${locks},
seen AS MATERIALIZED (SELECT l.* FROM b JOIN tenure_lease l ON l.name = b.name),
got AS MATERIALIZED (
  SELECT b.*, CASE
    WHEN pg_backend_pid() <> $7::integer OR pg_is_in_recovery() THEN 'elsewhere'
    WHEN s.format <> ${FORMAT} THEN 'foreign'
    WHEN ${holderIn('s')} = b.holder THEN 'over'
    WHEN k.mine THEN CASE WHEN $8::boolean THEN 'taken' ELSE 'held' END
    WHEN k.id IS NOT NULL THEN 'held'
    WHEN pg_try_advisory_lock(b.id) THEN 'taken'
    ELSE 'held' END AS verdict
  FROM b LEFT JOIN seen s ON s.name = b.name LEFT JOIN locks k ON k.id = b.id
),
free AS (
  SELECT l.name FROM got JOIN tenure_lease l ON l.name = got.name WHERE got.verdict = 'taken' AND l.format = ${FORMAT}
  ORDER BY l.name FOR NO KEY UPDATE OF l${skip}
),
minted AS (
  UPDATE tenure_lease l SET holder = got.mark, candidate = got.candidate, advert = got.advert, ttl_ms = got.ttl, acquired_at = ${d.now},
    token = ${d.larger('l.token + 1', d.micros(d.now))}, expires_at = ${d.now} + ${d.millis('got.ttl')}
  FROM free JOIN got ON got.name = free.name WHERE l.name = free.name RETURNING l.name, l.token
),
made AS (
  INSERT INTO tenure_lease (name, holder, candidate, advert, token, ttl_ms, acquired_at, expires_at, format)
  SELECT name, mark, candidate, advert, ${d.micros(d.now)}, ttl, ${d.now}, ${d.now} + ${d.millis('ttl')}, ${FORMAT} FROM got
  WHERE verdict = 'taken' AND NOT EXISTS (SELECT FROM seen WHERE seen.name = got.name)
  ORDER BY name ON CONFLICT (name) DO NOTHING RETURNING name, token
),
tokens AS (SELECT * FROM minted UNION ALL SELECT * FROM made)
SELECT got.name, CASE WHEN got.verdict <> 'taken' THEN got.verdict WHEN tokens.name IS NOT NULL THEN 'won'
  WHEN pg_advisory_unlock(got.id) THEN 'again' ELSE 'again' END, tokens.token::text, ${told('k', 's')}
FROM got LEFT JOIN tokens ON tokens.name = got.name LEFT JOIN seen s ON s.name = got.name
LEFT JOIN locks k ON k.id = got.id ${activity('k')}`
  return { name: `tenure_advisory_bid_${patience}`, text }
}

/**
 * A heartbeat. Takes names and holders, the raw key, and the process id. Gives name and verdict of each: `kept`;
 * `released`, its holder gave it back through another session, and now the lock is free; `lost`, the row is not its any
 * more, or the lock is not: then nothing is freed, because its work may still run.
 */
export const beatStatement: Statement = {
  name: 'tenure_advisory_beat',
  text: `WITH ${locks}
SELECT b.name, CASE
  WHEN k.mine IS NOT TRUE OR pg_backend_pid() <> $4::integer OR pg_is_in_recovery() THEN 'lost'
  WHEN l.format IS DISTINCT FROM ${FORMAT} OR l.holder IS DISTINCT FROM ${here} || b.holder THEN 'lost'
  WHEN ${stands('l')} THEN 'kept'
  WHEN pg_advisory_unlock(k.id) THEN 'released' ELSE 'released' END
FROM unnest($1::text[], $2::text[]) AS b(name, holder)
LEFT JOIN locks k ON k.id = ${lockOf('b.name', '$3')} LEFT JOIN tenure_lease l ON l.name = b.name`,
}

/**
 * Give back. Takes names, holders, whether a lock of this session would be theirs or nobody's, and the raw key. Marks the
 * row of exactly that holder, whichever session it has, and frees the lock. Need not be on disk: a crash frees it, too.
 */
export const freeStatement = freeing('free', (where) => `UPDATE tenure_lease l SET expires_at = ${d.never} ${where}`, 'aloud')

/** The same without the row, where that cannot be had. */
export const unlockStatement = freeing('unlock', () => '', 'aloud')

/** The lock and nothing else, where nobody can be told: a full queue of notices must not keep it. */
export const dropStatement = freeing('drop', () => '', 'quietly')

function freeing(name: string, clear: (where: string) => string, how: 'aloud' | 'quietly'): Statement {
  const cleared = clear(`FROM b WHERE l.name = b.name AND ${holderIn('l')} = b.holder AND l.format = ${FORMAT} AND ${stands('l')}
    AND set_config('synchronous_commit', 'off', true) IS NOT NULL RETURNING l.name`)
  const notice = "CASE WHEN cleared.name IS NOT NULL OR (k.mine AND b.frees) THEN pg_notify('tenure_release', b.name)::text END"
  const text = `WITH b AS MATERIALIZED (
  SELECT u.*, ${lockOf('u.name', '$4')} AS id FROM unnest($1::text[], $2::text[], $3::boolean[]) AS u(name, holder, frees)
),
${locks},
cleared AS (${cleared || 'SELECT name FROM b WHERE false'})
SELECT b.name,
  CASE WHEN k.mine AND b.frees THEN pg_advisory_unlock(b.id)::text END,
  ${how === 'aloud' ? notice : 'NULL'}
FROM b LEFT JOIN cleared ON cleared.name = b.name LEFT JOIN locks k ON k.id = b.id`
  return { name: `tenure_advisory_${name}`, text }
}

/** Takes names, and the raw key. Gives the name of each and what is told. */
export const readStatement: Statement = {
  name: 'tenure_advisory_read',
  text: `WITH ${locks}
SELECT b.name, ${told('k', 'l')} FROM unnest($1::text[]) AS b(name)
LEFT JOIN locks k ON k.id = ${lockOf('b.name', '$2')} LEFT JOIN tenure_lease l ON l.name = b.name ${activity('k')}`,
}

/** Takes names, and the raw key. Gives the name of each and who has its lock. */
export const lookStatement: Statement = {
  name: 'tenure_advisory_look',
  text: `WITH ${locks}
SELECT b.name, k.pid::text FROM unnest($1::text[]) AS b(name) LEFT JOIN locks k ON k.id = ${lockOf('b.name', '$2')}`,
}

/** What the session will wait for. Takes a name, the raw key, and how long to wait in milliseconds. */
export const aimStatement: Statement = {
  name: 'tenure_advisory_aim',
  text: `SELECT set_config('tenure.lock', ${lockOf('$1::text', '$2')}::text, false), set_config('tenure.wait_ms', $3, false)`,
}

/** Answers when this session was given the lock, or has waited long enough: an error would fill the log of the server. */
export const waitStatement: Statement = {
  name: 'tenure_advisory_wait',
  text: `DO $$ BEGIN
  PERFORM set_config('lock_timeout', current_setting('tenure.wait_ms'), true);
  PERFORM pg_advisory_lock(current_setting('tenure.lock')::bigint);
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN NULL;
END $$`,
}

/** Gives a row if this session has what it waited for. */
export const givenStatement: Statement = {
  name: 'tenure_advisory_given',
  text: `WITH ${locks} SELECT 'given' FROM locks k WHERE k.mine AND k.id = current_setting('tenure.lock')::bigint`,
}

export const listStatement: Statement = {
  name: 'tenure_advisory_list',
  text: `SELECT name FROM tenure_lease WHERE format = ${FORMAT} ORDER BY name`,
}

/**
 * Write a memo. Takes name, holder, token, text, the raw key, and the process id. Gives a row where it was written: by
 * the session that has the lock, while its row is that of the holder, and stays so until the memo is written.
 */
export const rememberStatement: Statement = {
  name: 'tenure_advisory_remember',
  text: `WITH ${locks},
l AS (
  SELECT l.name FROM tenure_lease l JOIN locks k ON k.mine AND k.id = ${lockOf('l.name', '$5')}
  WHERE l.name = $1::text AND l.holder = ${here} || $2::text AND l.token = $3::bigint AND l.format = ${FORMAT} AND ${stands('l')}
    AND pg_backend_pid() = $6::integer FOR NO KEY UPDATE OF l
)
INSERT INTO tenure_memo (name, text) SELECT l.name, $4::text FROM l
ON CONFLICT (name) DO UPDATE SET text = excluded.text RETURNING name`,
}
