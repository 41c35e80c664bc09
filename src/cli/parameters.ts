/** Our own parameters of a URL: those that start with `tenure_`. */

import { describeValue } from '../errors.ts'
import { misconfigured } from './exit-codes.ts'

const truths: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

/** A parameter that is true or false; false where it is not given. Throws a `Refusal` for anything else. */
export function truthOf(own: ReadonlyMap<string, string>, name: string): boolean {
  const text = own.get(name) ?? 'false'
  const truth = truths.get(text)
  if (truth !== undefined) return truth
  throw misconfigured(`Expected ${name} to be true or false, 1 or 0, got ${describeValue(text)}`)
}
