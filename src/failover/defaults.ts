/**
 * What a failover on one host needs no word for: the file store as its arbiter, and a Unix socket beside it as its bus.
 * The only place here that knows a store.
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { badOption } from '../errors.ts'
import type { LeaseStore } from '../store.ts'
import { file } from '../stores/file.ts'
import type { Bus } from './bus.ts'
import { unixSocketBus } from './buses/unix-socket.ts'

export function defaultArbiter(): LeaseStore {
  return file()
}

/** A socket of its own for each election, so that no program depends on another's to be heard. */
export function defaultBus(arbiter: LeaseStore, election: string): Bus {
  if (!('dir' in arbiter) || typeof arbiter.dir !== 'string' || process.platform === 'win32') {
    throw badOption('bus', `given, because \`${arbiter.name}\` does not say over what its users talk`, undefined)
  }
  const name = createHash('sha256').update(election).digest('hex').slice(0, 16)
  return unixSocketBus({ path: join(arbiter.dir, `failover-${name}.sock`) })
}
