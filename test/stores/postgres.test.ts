import { afterEach, describe, test } from 'vitest'
import { postgres } from '../../src/stores/postgres.ts'
import { describeStore } from '../../src/testing/index.ts'
import { available, Bench } from './postgres/bench.ts'

describe.skipIf(!available)('a real server', () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())
  describeStore('postgres over pg', { ...bench.lab(), runner: { describe, test } })
  describeStore('postgres over postgres.js', { ...bench.lab((at) => postgres(at.sql())), runner: { describe, test } })
})
