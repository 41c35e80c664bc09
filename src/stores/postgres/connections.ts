/**
 * From the user's client to sessions. Clients are taken by structure, so that nothing is imported that the user has not
 * installed. Must never take more connections than it said, so that the owner of a pool is not locked out of it.
 */

import type { Clock } from '../../clock.ts'
import { badOption, describeValue, TenureError } from '../../errors.ts'
import { isPool, type PgPool, PoolDriver } from './pg-pool.ts'
import { isPostgresJs, type PostgresJs, PostgresJsDriver } from './postgres-js.ts'
import type { Driver } from './session.ts'

/** A `Pool` of pg, or a client of postgres.js. */
export type PostgresClient = PgPool | PostgresJs

export interface DriverParts {
  /** Name of the store, for messages. */
  readonly store: string
  readonly clock: Clock
  /** How many connections the store keeps at most. */
  readonly sessions: number
}

/** Check the user's client, and make a driver of it. Throws a `TenureError` of code `bad-option`. */
export function driverOf(client: PostgresClient, parts: DriverParts): Driver {
  if (isPool(client)) {
    checkMost('pool', client.options.max, parts)
    return new PoolDriver(client, parts.clock)
  }
  if (isPostgresJs(client)) {
    checkMost('client', client.options.max, parts)
    return new PostgresJsDriver(client)
  }
  throw badOption('client', 'a Pool of pg or a client of postgres.js', client)
}

function checkMost(what: string, most: unknown, { store, sessions }: DriverParts): void {
  const least = sessions + 1
  // A pool that does not say has the default of its package, 10.
  if (most === undefined || (typeof most === 'number' && most >= least)) return
  throw new TenureError(
    'bad-option',
    `Expected the ${what} to have a \`max\` of at least ${least}, got ${describeValue(most)}: ` +
      `store \`${store}\` keeps up to ${sessions} of its connections while anything stands`,
  )
}
