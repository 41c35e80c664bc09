/**
 * The packages that open a SQLite file, as far as this machine has them: libsql always, node:sqlite where Node has it,
 * better-sqlite3 where it was installed into `test/clients` (it is compiled there, which takes minutes).
 */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { SqliteDatabase } from '../../../src/stores/sqlite.ts'

export type Opened = SqliteDatabase & { close(): unknown }

export interface Driver {
  readonly name: string
  readonly available: boolean
  open(file: string, readonly?: boolean): Opened
}

type Make = new (file: string, options?: object) => Opened

const require = createRequire(import.meta.url)

function loaded<T>(load: () => T): T | undefined {
  try {
    return load()
  } catch {
    // Not there, or made for another Node: the tests that need it are skipped by name.
    return undefined
  }
}

const Libsql: Make = require('libsql')
const inNode = loaded(() => (require('node:sqlite') as { readonly DatabaseSync: Make }).DatabaseSync)
const Better = loaded(() => {
  const found = createRequire(join(process.cwd(), 'test', 'clients', 'package.json'))('better-sqlite3') as Make
  // The binary is loaded only now.
  new found(':memory:').close()
  return found
})

export const libsql: Driver = { name: 'libsql', available: true, open: (file) => new Libsql(file) }
export const drivers: readonly Driver[] = [
  libsql,
  {
    name: 'node:sqlite',
    available: inNode !== undefined,
    open: (file, readonly = false) => new (inNode as Make)(file, { readOnly: readonly }),
  },
  {
    name: 'better-sqlite3',
    available: Better !== undefined,
    open: (file, readonly = false) => new (Better as Make)(file, { readonly }),
  },
]

/** By Node's own SQLite, where it has one, else by libsql: what the actors use. */
export function openAny(file: string): Opened {
  return (drivers.find(({ name, available }) => name === 'node:sqlite' && available) ?? libsql).open(file)
}
