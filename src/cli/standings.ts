/** Who leads in each election that a store knows, or in one, and how that is shown. */

import { maskSecrets } from '../errors.ts'
import { type Lease, TenureError } from '../index.ts'
import { asked } from './command.ts'
import type { Connected } from './connected.ts'
import { durationText } from './durations.ts'
import { usage } from './exit-codes.ts'
import { colorsFor } from './output.ts'
import { table } from './table.ts'

export interface Standing {
  readonly election: string
  readonly lease?: Lease | undefined
  /** Why nobody can tell: its record is another's, and says nothing about those beside it. */
  readonly trouble?: TenureError | undefined
}

/** Ask the store, within a bound. Throws what it answers for the one that is named, or for all alike. */
export async function look(connected: Connected, election: string | undefined): Promise<readonly Standing[]> {
  return asked(connected, async (signal) => {
    if (election !== undefined) return [await standingOf(connected, election, signal)]
    const names = await elections(connected, signal)
    const standings = await Promise.all(
      names.map((name) => standingOf(connected, name, signal).catch((thrown: unknown) => unreadable(name, thrown))),
    )
    const [first] = standings
    // Where nothing can be read it is the store.
    if (first?.trouble && standings.every(({ trouble }) => trouble)) throw first.trouble
    return standings
  })
}

async function standingOf({ store }: Connected, election: string, signal: AbortSignal): Promise<Standing> {
  const lease = await store.read(election, signal)
  return { election, lease: lease && lease.remainingMs > 0 ? lease : undefined }
}

function unreadable(election: string, thrown: unknown): Standing {
  if (thrown instanceof TenureError && thrown.code === 'store-unfit') return { election, trouble: thrown }
  throw thrown
}

async function elections({ store, where }: Connected, signal: AbortSignal): Promise<readonly string[]> {
  if (!store.list) throw usage(`${where} cannot list its elections: name one`)
  return [...(await store.list(signal))].sort()
}

/** For programs. */
export function objectOf({ election, lease, trouble }: Standing) {
  // No leader is not the same as one that nobody knows.
  if (trouble) return { election, error: { code: trouble.code, message: maskSecrets(trouble.message) } }
  if (!lease) return { election, leader: null }
  const { candidate, fencingToken, heldMs, remainingMs, advert } = lease
  return { election, leader: candidate, fencingToken, since: sinceOf(lease), heldMs, remainingMs: Math.round(remainingMs), advert }
}

/** For people, as lines that fit into so many columns. */
export function tableOf(standings: readonly Standing[], { store }: Connected, columns: number): readonly string[] {
  if (standings.length === 0) return []
  const { bold } = colorsFor(process.stdout)
  // Who looks once at a lease that ends by observation has not seen when it was renewed.
  const least = store.expiry === 'observed' ? 'up to ' : ''
  const rows = standings.map((standing) => rowOf(standing, least))
  return table({ heads: ['ELECTION', 'LEADER', 'SINCE', 'TOKEN', 'LEASE LEFT'], rows, names: 2, bold, columns })
}

function rowOf({ election, lease, trouble }: Standing, least: string): readonly string[] {
  if (!lease) return [election, trouble ? '?' : '-', '-', '-', '-']
  const since = lease.heldMs === undefined ? '-' : `${sinceOf(lease)} (${durationText(lease.heldMs)})`
  return [election, lease.candidate, since, String(lease.fencingToken), `${least}${durationText(lease.remainingMs)}`]
}

/** By this host's clock, for people. */
function sinceOf({ heldMs }: Lease): string | undefined {
  return heldMs === undefined ? undefined : new Date(Date.now() - heldMs).toISOString().replace(/\.\d+Z$/, 'Z')
}
