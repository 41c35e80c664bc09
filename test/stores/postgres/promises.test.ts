import { afterEach, describe } from 'vitest'
import { describePromises } from '../promises.ts'
import { available, Bench } from './bench.ts'

describe.skipIf(!available)('a real server', () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())

  describePromises('postgres', {
    ...bench.lab(),
    connections: () => bench.connections(),
    tenures: 1000,
  })
})
