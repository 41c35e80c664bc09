import { describe, expect, test } from 'vitest'
import { laws, openLab } from '../../../src/testing/index.ts'
import { plant } from '../../harness/plant.ts'
import { Bench, type Subject } from './bench.ts'
import { mutants } from './mutants.ts'
import { play, scenarios } from './scenarios.ts'

/** Check one law on stores of this kind, by a clock that moves by hand. */
async function checkLaw(name: string, bench: Bench): Promise<void> {
  const law = laws.find((each) => each.name === name)
  if (!law) throw new TypeError(`neither a scenario nor a law is called \`${name}\``)
  const lab = await openLab({
    open: () => bench.store(),
    elapse: (ms) => bench.pass(ms),
    wipe: (election) => bench.operator.prepare('DELETE FROM tenure_lease WHERE name = ?').run(election),
    boundMs: 5000,
  })
  try {
    await law.check(lab)
  } finally {
    await lab.close()
  }
}

describe('a planted fault is caught', () => {
  test.each(mutants)('$name', async (mutant) => {
    const subject = (await plant('src/stores/sqlite.ts', mutant.also ? [mutant, mutant.also] : [mutant])) as Subject
    const scenario = scenarios.find(({ name }) => name === mutant.caughtBy) ?? {
      name: mutant.caughtBy,
      run: (bench: Bench) => checkLaw(mutant.caughtBy, bench),
    }
    const outcome = await play(scenario, () => Bench.ready(subject)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(outcome).toBeInstanceOf(Error)
    expect(outcome).not.toBeInstanceOf(TypeError)
  })
})
