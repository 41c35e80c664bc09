/** What the tools for tests refuse: what is silently ignored here makes a test that cannot fail. */

import { badOption } from '../errors.ts'

/** A time that can pass. */
export function checkMs(option: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value
  throw badOption(option, 'a finite number of milliseconds, at least 0', value)
}

/** A step of a clock, forward or back. */
export function checkStepMs(option: string, value: number): number {
  if (Number.isFinite(value)) return value
  throw badOption(option, 'a finite number of milliseconds', value)
}

/** Where chance begins. */
export function checkSeed(seed: number): number {
  if (Number.isSafeInteger(seed)) return seed
  throw badOption('seed', 'a whole number', seed)
}

export function checkOneOf<T>(option: string, value: T, all: readonly T[]): T {
  if (all.includes(value)) return value
  throw badOption(option, `one of ${all.join(', ')}`, value)
}

export function checkFunction<F>(option: string, value: F): F {
  if (typeof value === 'function') return value
  throw badOption(option, 'a function', value)
}
