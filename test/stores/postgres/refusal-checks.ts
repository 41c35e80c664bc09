/** Short questions about what the server refuses: one row of a batch, or to tell others of a release. */

import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Pool } from 'pg'
import { type PgPool, postgres } from '../../../src/stores/postgres.ts'
import { type Bench, bidFor, fresh } from './bench.ts'
import type { Check, Make } from './checks.ts'

/** The election that is refused where one is. */
export const REFUSED = 'refused'

const ttlMs = 600_000

/** How a server comes to refuse one row. */
const refusals = {
  policy: `ALTER TABLE tenure_lease ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON tenure_lease FOR SELECT USING (true);
CREATE POLICY change ON tenure_lease FOR UPDATE USING (true);
CREATE POLICY make ON tenure_lease FOR INSERT WITH CHECK (name <> '${REFUSED}')`,
  // Nothing that a store could know: the name of a column that the trigger's author has mistyped.
  trigger: `CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.name = '${REFUSED}' THEN NEW.mistyped := 1; END IF; RETURN NEW; END $$;
CREATE TRIGGER audit BEFORE INSERT ON tenure_lease FOR EACH ROW EXECUTE FUNCTION audit()`,
}

/** Clients of a database of that name, in which the first row of one election is refused. */
export async function refused(bench: Bench, name: string, how: keyof typeof refusals): Promise<Pool> {
  const user = `${name}_user`
  await bench.admin.query(`CREATE DATABASE ${name}`)
  await bench.admin.query(`CREATE ROLE ${user} LOGIN`)
  const operator = bench.pool(undefined, { database: name })
  const store = postgres(operator as PgPool)
  await store.ensureSchema()
  await operator.query(`${refusals[how]}; GRANT SELECT, INSERT, UPDATE ON tenure_lease TO ${user}`)
  return bench.pool(undefined, { database: name, user })
}

/**
 * A server that takes a release back when it commits, as one whose queue of notifications is full does. A queue of
 * gigabytes is not filled here: the function that tells is another one of the same name, found first.
 */
const deaf = `CREATE SCHEMA deaf;
CREATE TABLE deaf.queue (name text);
CREATE FUNCTION deaf.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'too many notifications in the NOTIFY queue' USING ERRCODE = '54000'; END $$;
CREATE CONSTRAINT TRIGGER full_queue AFTER INSERT ON deaf.queue DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION deaf.full();
CREATE FUNCTION deaf.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'INSERT INTO deaf.queue VALUES ($2)'`

export function refusalChecks(boundMs: number): readonly Check[] {
  const soon = () => AbortSignal.timeout(boundMs)

  async function failsAlone(bench: Bench, make: Make, how: keyof typeof refusals): Promise<void> {
    const store = make(await refused(bench, fresh(how).replaceAll('-', '_'), how))
    const bids = [REFUSED, fresh(), fresh(), fresh()].map((election) => bidFor(election, { ttlMs }))
    const won = await Promise.allSettled(bids.map((bid) => store.acquire(bid, soon())))
    deepEqual(
      won.map((outcome) => outcome.status === 'fulfilled' && outcome.value?.holder),
      [false, ...bids.slice(1).map(({ holder }) => holder)],
    )
  }

  return [
    { name: 'a policy that refuses one row refuses nobody else', ask: (bench, make) => failsAlone(bench, make, 'policy') },
    { name: 'a trigger that refuses one row refuses nobody else', ask: (bench, make) => failsAlone(bench, make, 'trigger') },
    {
      name: 'a release that cannot be told is a release',
      async ask(bench, make) {
        await bench.admin.query(`DROP SCHEMA IF EXISTS deaf CASCADE; ${deaf}`)
        const store = make(bench.pool(undefined, { options: '-c search_path=deaf,public,pg_catalog' }))
        const bids = [1, 2, 3].map(() => bidFor(fresh(), { ttlMs }))
        for (const some of [bids.slice(0, 1), bids.slice(1)]) {
          await Promise.all(some.map((bid) => store.acquire(bid, soon())))
          await Promise.all(some.map((bid) => store.release(bid, soon())))
        }
        for (const { election } of bids) {
          const next = bidFor(election, { ttlMs })
          equal((await store.acquire(next, soon()))?.holder, next.holder)
        }
        const { rows } = await bench.admin.query('SELECT FROM deaf.queue')
        ok(rows.length === 0, 'what was refused was taken back')
      },
    },
  ]
}
