/** The tables in the database: how to make them, and whether what is there can be trusted with a lease. */

import { TenureError } from '../../errors.ts'
import { fenceTable, leaseTable, memoTable, postgres, type Statement } from '../shared/sql.ts'
import { sqlState } from './failures.ts'
import type { Session } from './session.ts'

const tables: readonly { readonly exists: Statement; readonly make: Statement }[] = [
  { exists: existence('tenure_lease'), make: { name: 'tenure_make_lease', text: leaseTable(postgres) } },
  { exists: existence('tenure_memo'), make: { name: 'tenure_make_memo', text: memoTable(postgres) } },
  { exists: existence('tenure_fence'), make: { name: 'tenure_make_fence', text: fenceTable(postgres) } },
]

/** The SQL that makes the tables `tenure_lease`, for memos `tenure_memo`, and for `fenced` `tenure_fence`; what is there already is left alone. */
export const ddl: string = tables.map(({ make }) => `${make.text};\n`).join('\n')

/** How the table is kept: nothing where it is missing. */
const persistence: Statement = {
  name: 'tenure_persistence',
  text: "SELECT relpersistence::text FROM pg_class WHERE oid = to_regclass('tenure_lease')",
}

/** How the server says that somebody else has just made it: as a row, as a table, or as the type that comes with a table. */
const madeMeanwhile: ReadonlySet<string | undefined> = new Set(['23505', '42P07', '42710'])

/** Make what is missing. Two processes may do so at once; where nothing is missing, no right to make tables is needed. */
export async function makeTables(session: Session): Promise<void> {
  for (const { exists, make } of tables) {
    const isThere = async () => (await session.query(exists, [])).length > 0
    if (await isThere()) continue
    try {
      await session.query(make, [])
    } catch (thrown) {
      // IF NOT EXISTS does not help against that. Where nobody has made it, something else has its name.
      if (!madeMeanwhile.has(sqlState(thrown)) || !(await isThere())) throw thrown
    }
  }
}

/** Reject where leases cannot be kept. */
export async function checkServer(store: string, session: Session): Promise<void> {
  if (session.recovering) {
    throw new TenureError('store-unfit', `${store}: the server is a standby and takes no writes. Connect to the primary`)
  }
  const [row] = await session.query(persistence, [])
  if (!row) {
    const advice = 'Call ensureSchema() of the store once, or run the SQL that `tenure ddl --store postgres://...` prints'
    throw new TenureError('store-unfit', `${store}: the table tenure_lease is missing. ${advice}`)
  }
  if (row[0] !== 'p') {
    const advice = 'Run ALTER TABLE tenure_lease SET LOGGED'
    throw new TenureError(
      'store-unfit',
      `${store}: the table tenure_lease is ${row[0] === 'u' ? 'unlogged' : 'temporary'}, so that a crash empties it. ${advice}`,
    )
  }
}

function existence(table: string): Statement {
  return { name: `tenure_find_${table}`, text: `SELECT 1 WHERE to_regclass('${table}') IS NOT NULL` }
}
