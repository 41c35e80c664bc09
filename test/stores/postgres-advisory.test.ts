import { afterEach, describe, test } from 'vitest'
import { describeStore } from '../../src/testing/index.ts'
import { available, Bench, storeOf, storeOverJs } from './postgres-advisory/bench.ts'

describe.skipIf(!available)('a real server', () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())
  // What is over is given back by a statement of its own.
  const common = { ...bench.lab(), graceMs: 150, runner: { describe, test } }
  describeStore('postgres-advisory over pg', { ...common, open: () => storeOf(bench) })
  describeStore('postgres-advisory over postgres.js', { ...common, open: () => storeOverJs(bench) })
})
