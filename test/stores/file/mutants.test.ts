import { describe, expect, test } from 'vitest'
import type { Subject } from './bench.ts'
import { bundle } from './bundle.ts'
import { mutants } from './mutants.ts'
import { play, scenarios } from './scenarios.ts'

describe('a planted fault is caught', () => {
  for (const mutant of mutants) {
    test(mutant.name, async () => {
      const scenario = scenarios.find(({ name }) => name === mutant.caughtBy)
      if (!scenario) throw new Error(`no scenario \`${mutant.caughtBy}\``)
      const subject = (await import(await bundle('subject', mutant.also ? [mutant, mutant.also] : [mutant]))) as Subject
      await expect(play(scenario, subject)).rejects.toThrow()
    })
  }
})
