/**
 * What is used of the user's connection, whichever package it comes from, and what their rows look like to us. Types
 * and small functions; nothing is imported that the user has not installed.
 */

import { badOption } from '../../errors.ts'

/** A prepared statement of node:sqlite, better-sqlite3 or libsql. */
export interface SqliteStatement {
  all(...values: (string | number | null)[]): unknown[]
  run(...values: (string | number | null)[]): unknown
}

/** A connection: `DatabaseSync` of node:sqlite, or a `Database` of better-sqlite3 or libsql. */
export interface SqliteDatabase {
  prepare(sql: string): SqliteStatement
  exec(sql: string): unknown
}

export type Value = string | number | null
export type Row = readonly (string | null)[]

/** Throws a `TenureError` of code `bad-option` for anything else. */
export function checkDatabase(db: unknown): asserts db is SqliteDatabase {
  const fits = typeof db === 'object' && db !== null && 'prepare' in db && 'exec' in db
  if (fits && typeof db.prepare === 'function' && typeof db.exec === 'function') return
  throw badOption('db', 'a connection of node:sqlite, better-sqlite3 or libsql', db)
}

/**
 * The columns in their order, whether a connection gives rows as objects or as arrays. Statements make text of whatever
 * is no small number, so that no setting of the connection for large numbers has a say.
 */
export function rowOf(row: unknown): Row {
  return Object.values(row as object).map((value: unknown) => (value === null ? null : String(value)))
}

/** Whether the connection says of itself that it is inside a transaction; `undefined` where it does not say. */
export function isInTransaction(db: object): boolean | undefined {
  if ('inTransaction' in db && typeof db.inTransaction === 'boolean') return db.inTransaction
  if ('isTransaction' in db && typeof db.isTransaction === 'boolean') return db.isTransaction
  return undefined
}
