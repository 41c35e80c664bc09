/**
 * `runOnce()`: of all processes that call it, one runs the work, and all resolve when it is done. An election for the
 * one, and the memo of the store for all that come later.
 */

import { badOption } from './errors.ts'
import { type LeadOptions, leadOptions } from './lead.ts'
import { type Once, Run } from './once/run.ts'
import { checkKnown, checkStore, checkType, whole } from './options.ts'
import type { Memo } from './store.ts'
import type { Tenure } from './tenure.ts'

export type { Once } from './once/run.ts'

/** As for a `Candidate`, without the election and the work. Durations are whole milliseconds. */
export interface OnceOptions extends LeadOptions {
  /**
   * What is run once: 1 to 64 printable characters of ASCII, or a number. Where this version was done before, also by
   * processes that are long gone, the work is not run. The last 30 versions of a name are remembered. @default none: only
   * calls that wait at the same time share a run
   */
  readonly version?: string | number | undefined
  /**
   * How long to wait for others, and for the store; the work here may take longer. Not to wait for others, give what the
   * store needs to answer, e.g. 1000. @default for ever
   */
  readonly waitMs?: number | undefined
}

const known: Record<keyof OnceOptions, true> = { ...leadOptions, version: true, waitMs: true }

/**
 * Run the work in one of all processes that call this with the same name and store, and resolve in all of them when it
 * is done; `ran` says whether it was here. A runner that dies is replaced by another that waits.
 *
 * A run is done when the memo of the store says so, which its live leader writes after the work has returned. Between the
 * two a crash means that the work is run again: write work that can be, and pass `tenure.fencingToken` along.
 *
 * Work that throws while its tenure is held rejects here with what it threw, and the next that waits runs it. Rejects with
 * the reason of `signal` when that aborts (the work drains, the lease is released), with a `TenureError` of code
 * `not-done` after `waitMs`, and of `store-denied` or `store-unfit` where the store refuses. Throws `bad-option`, also
 * for a store that has no `memo`.
 */
export async function runOnce<T>(name: string, work: (tenure: Tenure) => T | Promise<T>, options: OnceOptions): Promise<Once<T>> {
  checkType('work', work ?? null, 'function', 'a function')
  checkKnown(options, known)
  const { onTrouble, version, waitMs, ...rest } = options
  return new Run({
    name,
    work,
    memo: checkMemory(options.store, version),
    version: checkVersion(version),
    waitMs:
      waitMs === undefined ? undefined : whole('waitMs', waitMs, 1, ' (not to wait for others, what the store needs to answer, e.g. 1000)'),
    onTrouble: checkType('onTrouble', onTrouble, 'function', 'a function'),
    options: { ...rest, election: name },
  }).done()
}

function checkMemory(store: unknown, version: unknown): Memo {
  const { name, memo } = checkStore(store)
  if (memo) return memo
  const what = version === undefined ? 'what was done' : `that version ${String(version)} was done`
  throw badOption('store', `one that can remember ${what} (it has a \`memo\`)`, name)
}

function checkVersion(version: unknown): string | undefined {
  if (version === undefined) return undefined
  if (typeof version === 'number' && Number.isFinite(version)) return String(version)
  if (typeof version === 'string' && /^[\x20-\x7e]{1,64}$/.test(version)) return version
  throw badOption('version', 'a number, or a string of 1 to 64 printable characters of ASCII', version)
}
