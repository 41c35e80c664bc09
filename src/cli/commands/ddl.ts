/** `tenure ddl`: prints the SQL that makes what a store needs, for those who review it first. Changes nothing. */

import { type StoreOptions, type Verb, withConnected, withStore } from '../command.ts'
import { exitCode } from '../exit-codes.ts'
import { Talk } from '../output.ts'

export const ddl: Verb = {
  add(program, _rest, done) {
    withStore(program.command('ddl').description('print the SQL that a store needs')).action((options: StoreOptions) =>
      done(print(options)),
    )
  },
}

async function print(options: StoreOptions): Promise<number> {
  return withConnected(options, async ({ ddl: sql, where }) => {
    if (sql === undefined) new Talk({}).note('ddl', `${where} needs no SQL`)
    else process.stdout.write(`${sql.trimEnd()}\n`)
    return exitCode.ok
  })
}
