import { describe, expect, test } from 'vitest'
import { memory } from '../../src/stores/memory.ts'
import { type DescribeStoreOptions, describeStore, laws, ManualClock } from '../../src/testing/index.ts'
import { observedStore, type Versions } from './observed-store.ts'

const clock = new ManualClock()
const versions: Versions = new Map()
describeStore('a store whose leases expire by observation', {
  open: () => observedStore(versions, clock),
  elapse: (ms) => clock.advance(ms),
  runner: { describe, test },
})

const [first, second] = laws

describe('describeStore', () => {
  test('makes one test of each law', () => {
    expect(defined({}).map(({ name }) => name)).toEqual(laws.map(({ name }) => name))
  })

  test('a law that is skipped is shown with its reason', () => {
    const tests = defined({ skip: { [first?.name ?? '']: 'of the moon' } })
    expect(tests[0]).toMatchObject({ name: `${first?.name} (skipped: of the moon)`, skipped: true })
    expect(tests[1]).toMatchObject({ name: second?.name, skipped: false })
  })

  test('skips also where the runner knows no skipping', async () => {
    const tests = defined({ skip: { [first?.name ?? '']: 'of the moon' } }, false)
    await tests[0]?.body()
    expect(tests[0]).toMatchObject({ name: `${first?.name} (skipped: of the moon)`, skipped: false })
  })

  test('refuses to skip a law that does not exist, or without a reason', () => {
    expect(() => defined({ skip: { 'a law of nobody': 'so' } })).toThrow(
      /^Unknown law `a law of nobody` in `skip`: expected one of `a live lease/,
    )
    expect(() => defined({ skip: { [first?.name ?? '']: ' ' } })).toThrow(
      `Expected \`skip['${first?.name}']\` to be the reason, a string, got " "`,
    )
  })

  test('refuses a runner that is none', () => {
    const runner = { describe } as unknown
    expect(() => describeStore('x', { open: () => memory(), runner: runner as DescribeStoreOptions['runner'] })).toThrow(
      /^Expected `runner.test` to be/,
    )
  })

  test('says through the runner why a law cannot be asked', async () => {
    const reasons: unknown[] = []
    for (const { name, body } of defined({}))
      if (/restart|record/.test(name)) await body({ skip: (reason: unknown) => reasons.push(reason) })
    expect(reasons).toEqual(['`wipe` was not given', '`wipe` was not given', '`restart` was not given'])
  })

  test('a store that breaks a law fails its test, in one sentence', async () => {
    const store = { ...memory(), renew: async () => 0 }
    const [body] = defined({ open: () => store, elapse: undefined }).flatMap((one) => (/renewing never/.test(one.name) ? [one.body] : []))
    await expect(body?.()).rejects.toThrow('Expected a renewal of a live lease to be granted, got 0')
  })

  test('closes every store it opened', async () => {
    let open = 0
    const closing = () => {
      open += 1
      return {
        ...memory(),
        async close() {
          open -= 1
        },
      }
    }
    const tests = defined({ open: closing, elapse: undefined })
    await expect(tests[0]?.body()).rejects.toThrow('to lose a lease just granted')
    expect(open).toBe(0)
  })

  test('refuses a ttl that the store cannot keep', async () => {
    const [one] = defined({ ttlMs: 99 })
    await expect(one?.body()).rejects.toThrow('Expected `ttlMs` to be a whole number of milliseconds, at least 100, got 99 (number)')
  })
})

interface Defined {
  readonly name: string
  readonly body: (...args: unknown[]) => unknown
  readonly skipped: boolean
}

/** The tests that a runner of nothing was told of. */
function defined(options: Partial<DescribeStoreOptions>, skips = true): Defined[] {
  const tests: Defined[] = []
  const add = (skipped: boolean) => (name: string, body: (...args: unknown[]) => unknown) => void tests.push({ name, body, skipped })
  const clock = new ManualClock()
  const store = memory({ clock })
  describeStore('it', {
    open: () => store,
    elapse: (ms) => clock.advance(ms),
    ...options,
    runner: { describe: (_, body) => body(), test: skips ? Object.assign(add(false), { skip: add(true) }) : add(false) },
  })
  return tests
}
