/** From the user's client to sessions that are the store's alone. Clients are taken by structure. */

import { badOption, TenureError } from '../../errors.ts'
import { type DriverParts, driverOf as shared } from '../postgres/connections.ts'
import { isPool, type PgPool } from '../postgres/pg-pool.ts'
import { isPostgresJs } from '../postgres/postgres-js.ts'
import type { Driver } from '../postgres/session.ts'
import { type MakePostgresJs, OwnPostgresJsDriver } from './postgres-js.ts'

/** A `Pool` of pg, or a function that makes a client of postgres.js for each connection. */
export type AdvisoryClient = PgPool | MakePostgresJs

const EXPECTED = 'a Pool of pg, or a function like (options) => postgres(url, options)'

/** Check the user's client, and make a driver of it. Throws a `TenureError` of code `bad-option`. */
export function driverOf(client: AdvisoryClient, parts: DriverParts): Driver {
  if (isPool(client)) return shared(client, parts)
  if (isPostgresJs(client)) {
    throw new TenureError(
      'bad-option',
      `Expected \`client\` to be ${EXPECTED}, got a client of postgres.js: a lock belongs to a connection, and that client shares its own`,
    )
  }
  if (typeof client !== 'function') throw badOption('client', EXPECTED, client)
  return new OwnPostgresJsDriver(client)
}
