import { describe, test } from 'vitest'
import * as subject from '../../../src/stores/sqlite.ts'
import { Bench } from './bench.ts'
import { drivers } from './drivers.ts'
import { play, scenarios } from './scenarios.ts'

describe.each(drivers)('$name', (driver) => {
  for (const scenario of scenarios) {
    test.skipIf(!driver.available)(scenario.name, () => play(scenario, () => Bench.ready(subject, driver)))
  }
})
