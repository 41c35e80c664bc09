import { describe, test } from 'vitest'
import { play, scenarios } from './scenarios.ts'
import * as subject from './subject.ts'

describe('file store', () => {
  for (const scenario of scenarios) test(scenario.name, () => play(scenario, subject))
})
