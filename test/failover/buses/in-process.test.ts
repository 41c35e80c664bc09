import { describe, test } from 'vitest'
import { inProcessBus } from '../../../src/failover.ts'
import { describeBus } from '../../../src/testing/index.ts'

describeBus('in-process', {
  runner: { describe, test },
  ground() {
    const bus = inProcessBus()
    return { open: () => bus, apart: () => inProcessBus(), tellsEnds: true }
  },
})
