/** Short questions about the making of the tables; see `checks.ts`. */

import { rejects } from 'node:assert/strict'
import { ddl } from '../../../src/stores/postgres.ts'
import { inTheAir } from '../../in-the-air.ts'
import { fresh, waits } from './bench.ts'
import type { Check } from './checks.ts'

export function schemaChecks(boundMs: number): readonly Check[] {
  return [
    {
      name: 'a table that somebody else makes between the look and the making is no failure',
      async ask(bench, make) {
        for (const state of ['23505', '42P07', '42710']) {
          const database = `made_${fresh().replaceAll('-', '_')}`
          await bench.admin.query(`CREATE DATABASE ${database}`)
          const operator = await bench.pool(undefined, { database }).connect()
          try {
            // Triggers of this kind are not for replicas, so that the operator goes past it.
            await operator.query(`SET session_replication_role = replica; SELECT pg_advisory_lock(1);
              CREATE FUNCTION late() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_advisory_xact_lock(1);
                RAISE EXCEPTION 'it is there' USING ERRCODE = '${state}';
              END $$;
              CREATE EVENT TRIGGER late ON ddl_command_start EXECUTE FUNCTION late()`)
            const ensured = inTheAir(make(bench.pool(undefined, { database })).ensureSchema())
            await waits(bench, boundMs)
            await operator.query(ddl)
            await operator.query('SELECT pg_advisory_unlock(1)')
            await ensured
          } finally {
            operator.release(true)
          }
        }
      },
    },
    {
      name: 'something else that has the name of a table is told of',
      async ask(bench, make) {
        const schema = `taken_${fresh().replaceAll('-', '_')}`
        await bench.admin.query(`CREATE SCHEMA ${schema}; CREATE TYPE ${schema}.tenure_memo AS ENUM ('text')`)
        const store = make(bench.pool(undefined, { options: `-c search_path=${schema}` }))
        await rejects(store.ensureSchema(), { code: 'store-unfit', message: /type "tenure_memo" already exists \(42710\)/ })
      },
    },
  ]
}
