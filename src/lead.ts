/**
 * `lead()`: a candidate, its work and its end in one call, for work that has a result.
 */

import type { TenureError } from './errors.ts'
import { type CandidateOptions, checkKnown, checkType, commonOptions, settingsOf } from './options.ts'
import { Shell } from './shell.ts'
import type { Tenure } from './tenure.ts'

/** As for a `Candidate`, without the election and the work. */
export interface LeadOptions extends Omit<CandidateOptions, 'election' | 'work'> {
  /** Told of everything that went wrong and is being dealt with. */
  readonly onTrouble?: ((error: TenureError) => void) | undefined
}

/** The names of all options. */
export const leadOptions: Record<keyof LeadOptions, true> = { ...commonOptions, onTrouble: true }

/**
 * Wait to be elected, run the work, give the lease back, and resolve with what the work returned while its tenure was
 * held. A tenure that ends first, or work that throws, means another go after the next election: write work that can be
 * begun again. Aborting `signal` is the graceful end: the work drains, the lease is released, and `lead` resolves with
 * `undefined`.
 *
 * Rejects only for bad options and for a store that refuses to serve (`store-denied`, `store-unfit`) at the first attempt.
 */
export async function lead<T>(election: string, work: (tenure: Tenure) => T | Promise<T>, options: LeadOptions): Promise<T | undefined> {
  checkType('work', work ?? null, 'function', 'a function')
  checkKnown(options, leadOptions)
  const { onTrouble, ...rest } = options
  checkType('onTrouble', onTrouble, 'function', 'a function')
  let outcome: { readonly value: T } | undefined
  const settings = settingsOf({
    ...rest,
    election,
    async work(tenure) {
      const value = await work(tenure)
      // What was returned too late was not done under this lease: somebody does it again.
      if (!tenure.held) return
      outcome = { value }
      void candidate.complete()
    },
  })
  const candidate = new Shell(settings)
  if (options.signal?.aborted) return undefined
  if (onTrouble) candidate.on('trouble', onTrouble)
  const stopped = new Promise<void>((resolve) => candidate.on('stopped', resolve))
  await candidate.start()
  await stopped
  return outcome?.value
}
