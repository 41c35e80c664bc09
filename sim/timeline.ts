/** Prints what happened, so that a person can follow a broken seed. */

import { describeFault } from './faults.ts'
import type { Plan } from './plan.ts'
import type { Result } from './run.ts'

export function describePlan(plan: Plan): string {
  const { faults, timing, ...rest } = plan
  const settings = Object.entries({ ...rest, ...timing }).map(([name, value]) => `${name}=${value}`)
  return [`seed ${hex(plan.seed)}: ${settings.join(' ')}`, ...faults.map((fault) => `  ${describeFault(fault)}`)].join('\n')
}

/** The last `most` things that happened, oldest first. */
export function timeline(result: Result, most = 400): string {
  const notes = result.notes.slice(-most)
  const lines = notes.map(({ at, who, what }) => `${at.toFixed(2).padStart(12)}  ${who.padEnd(10)} ${what}`)
  const skipped = result.notes.length - notes.length
  return [...(skipped > 0 ? [`  ... ${skipped} earlier`] : []), ...lines].join('\n')
}

export function hex(seed: number): string {
  return `0x${(seed >>> 0).toString(16).padStart(8, '0')}`
}
