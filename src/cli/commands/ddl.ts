/** `tenure ddl`: prints the SQL that makes what a store needs, for those who review it first. Changes nothing. */

import { type StoreOptions, type Verb, withConnected, withStore } from '../command.ts'
import { exitCode, usage } from '../exit-codes.ts'

export const ddl: Verb = {
  add(program, _rest, done) {
    withStore(program.command('ddl').description('print the SQL that a store needs')).action((options: StoreOptions) =>
      done(print(options)),
    )
  },
}

async function print(options: StoreOptions): Promise<number> {
  return withConnected(options, async ({ ddl: sql, where }) => {
    if (sql === undefined) {
      // Not 0: `tenure ddl | psql` was meant for another store.
      throw usage(`${where} needs no SQL: name the store that does, e.g. --store postgres://host/db, or in TENURE_STORE`)
    }
    process.stdout.write(`${sql.trimEnd()}\n`)
    return exitCode.ok
  })
}
