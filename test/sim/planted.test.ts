/** Planted faults: each oracle catches one, on the seed where it was caught before. All of them: `npm run sim -- --mutants`. */

import { describe, expect, test } from 'vitest'
import { load, planted } from '../../sim/bundle.ts'
import { mutants } from '../../sim/mutants/list.ts'
import { catchIt, recorded } from '../../sim/mutants/run.ts'

const record = recorded()
/** Laws that are asked in the checkers and in the episodes. */
const oracles = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10', 'I11', 'I12', 'I13', 'I14', 'I15', 'I16', 'I17', 'I18']

describe('planted faults', () => {
  test.each(mutants)('$name: its snippets are there, once', (one) => {
    expect(() => planted(one)).not.toThrow()
  })

  test('have names of their own, and each has been caught', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
    expect(mutants.filter(({ name }) => record[name] === undefined).map(({ name }) => name)).toEqual([])
  })

  test.each(oracles)('%s catches one', { timeout: 120_000 }, async (oracle) => {
    const mutant = mutants.find(({ name }) => record[name]?.oracle === oracle)
    if (!mutant) throw new Error(`no planted fault is caught by ${oracle}`)
    expect((await catchIt(mutant, record[mutant.name]))?.oracle, mutant.name).toBe(oracle)
  })

  test('a snippet that is not found is an error', async () => {
    const wrong = { name: 'nothing', file: 'src/timing.ts', find: 'there is no such text', replace: '' }
    await expect(load('sim/batch.ts', wrong)).rejects.toThrow(/found it 0 times/)
  })

  test('a file that is no part of the simulation is an error', async () => {
    const wrong = { name: 'nowhere', file: 'src/stores/memory.ts', find: 'x', replace: 'y' }
    await expect(load('sim/batch.ts', wrong)).rejects.toThrow(/no part of/)
  })
})
