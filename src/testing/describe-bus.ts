/** The laws of buses as a test suite, for any runner that has `describe` and `test`. */

import { checkKnown, checkMethods, whole } from '../options.ts'
import { type BusGround, BusLab, type BusNeed } from './buses/lab.ts'
import { busLaws } from './buses/laws.ts'
import { checkFunction } from './checks.ts'
import { checkRunner, type Runner } from './describe-store.ts'

/** The bus under test, and the runner. */
export interface DescribeBusOptions {
  /** A bus of its own for each law. */
  ground(): BusGround | Promise<BusGround>
  /** `{ describe, test }` of vitest, node:test, or any other. */
  readonly runner: Runner
  /** How long anything may take that a bus does by itself, in milliseconds. @default 30000 */
  readonly waitMs?: number | undefined
  /** How long one law may take, in milliseconds, for runners that take it as third argument. @default 120000 */
  readonly timeoutMs?: number | undefined
}

const known: Record<keyof DescribeBusOptions, true> = { ground: true, runner: true, waitMs: true, timeoutMs: true }

/**
 * Define one test for each law of a bus. What a bus cannot be asked is skipped, and says so. Throws a `TenureError` of code
 * `bad-option`.
 */
export function describeBus(name: string, options: DescribeBusOptions): void {
  checkKnown(options, known)
  checkFunction('ground', options.ground)
  const { waitMs = 30_000, timeoutMs = 120_000 } = options
  whole('waitMs', waitMs, 1)
  whole('timeoutMs', timeoutMs, 0)
  const runner = checkRunner(options.runner)
  runner.describe(`${name} keeps the laws of a bus`, () => {
    for (const law of busLaws) {
      // No parameter that a runner could count: some wait for a callback then.
      const body = async (...args: { skip?(reason?: string): unknown }[]) => {
        const lab = new BusLab(checkMethods('ground()', await options.ground(), ['open']), waitMs)
        try {
          if (law.needs && !offers(lab.ground, law.needs)) args[0]?.skip?.(`the ground does not offer ${law.needs}`)
          else await law.check(lab)
        } finally {
          await lab.close()
        }
      }
      runner.test(law.name, body, timeoutMs)
    }
  })
}

function offers(ground: BusGround, need: BusNeed): boolean {
  return need === 'ends' ? ground.tellsEnds === true : ground[need] !== undefined
}
