/**
 * The laws as a test suite, for any runner that has `describe` and `test`: vitest, node:test, bun:test. Imports no
 * runner; what it knows of one is that a test is a name and an async function.
 */

import { badOption, TenureError } from '../errors.ts'
import { whole } from '../options.ts'
import { checkLabOptions, labOf, labOptions } from './laws/lab.ts'
import { type LabOptions, laws, missing } from './laws.ts'

/** What a test gets from its runner. Only used to say that it was skipped. */
interface TestContext {
  skip?(reason?: string): unknown
}

/** The two functions of a test runner, as vitest, node:test and bun:test have them. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown
  readonly test: Test
}

interface Test {
  (name: string, body: () => Promise<void>, timeoutMs?: number): unknown
  readonly skip?: (name: string, body: () => void) => unknown
}

/** The store under test, what can be done to it, and the runner. */
export interface DescribeStoreOptions extends LabOptions {
  /** `{ describe, test }` of vitest, node:test, or any other. */
  readonly runner: Runner
  /** Names of laws that this store does not keep, each with the reason why that is all right. */
  readonly skip?: Readonly<Record<string, string>> | undefined
  /** How long one law may take, in real milliseconds, for runners that take it as third argument. @default 120000 */
  readonly timeoutMs?: number | undefined
}

const known: Record<keyof DescribeStoreOptions, true> = { ...labOptions, runner: true, skip: true, timeoutMs: true }

/**
 * Define one test for each law of a store. Throws a `TenureError` of code `bad-option`, also for a law in `skip` that does
 * not exist or has no reason.
 */
export function describeStore(name: string, options: DescribeStoreOptions): void {
  checkLabOptions(options, known)
  const { runner, skip = {}, timeoutMs = 120_000 } = options
  whole('timeoutMs', timeoutMs, 0)
  const { describe, test } = checkRunner(runner)
  checkSkips(skip)
  describe(`${name} keeps the laws of a store`, () => {
    for (const law of laws) {
      const reason = Object.hasOwn(skip, law.name) ? skip[law.name] : undefined
      if (reason !== undefined) {
        skipTest(test, `${law.name} (skipped: ${reason})`)
        continue
      }
      // No parameter that a runner could count: some wait for a callback then.
      const body = async (...args: TestContext[]) => {
        const lab = await labOf(options)
        try {
          const lacking = missing(law, lab)
          if (lacking === undefined) await law.check(lab)
          else args[0]?.skip?.(lacking)
        } finally {
          await lab.close()
        }
      }
      test(law.name, body, timeoutMs)
    }
  })
}

function skipTest(test: Test, name: string): void {
  if (test.skip) test.skip(name, () => {})
  else test(name, async () => {})
}

/** Throws a `TenureError` of code `bad-option`. */
export function checkRunner(runner: Runner): Runner {
  for (const verb of ['describe', 'test'] as const) {
    if (typeof runner?.[verb] !== 'function') throw badOption(`runner.${verb}`, 'a function of the test runner', runner?.[verb])
  }
  return runner
}

function checkSkips(skip: Readonly<Record<string, string>>): void {
  if (typeof skip !== 'object' || skip === null) throw badOption('skip', 'an object', skip)
  for (const [name, reason] of Object.entries(skip)) {
    if (!laws.some((law) => law.name === name)) {
      throw new TenureError(
        'bad-option',
        `Unknown law \`${name}\` in \`skip\`: expected one of ${laws.map((law) => `\`${law.name}\``).join(', ')}`,
      )
    }
    if (typeof reason !== 'string' || reason.trim() === '') throw badOption(`skip['${name}']`, 'the reason, a string', reason)
  }
}
