import { afterEach, describe } from 'vitest'
import { describePromises } from '../promises.ts'
import { available, Bench, storeOf } from './bench.ts'

describe.skipIf(!available)('a real server', () => {
  const bench = Bench.use()
  afterEach(() => bench.clear())

  describePromises('postgres-advisory', {
    ...bench.lab(),
    open: () => storeOf(bench),
    connections: () => bench.connections(),
  })
})
