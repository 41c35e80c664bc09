import { describe, expect, test } from 'vitest'
import { type hunt, type planOf as PlanOf, planOf, type runPlan as RunPlan, runBatch, runPlan } from '../sim/batch.ts'
import { load, planted } from '../sim/bundle.ts'
import { missing, sometimes } from '../sim/coverage.ts'
import { mutants } from '../sim/mutants/list.ts'
import { catchIt } from '../sim/mutants/run.ts'
import { runPlans } from '../sim/run.ts'
import { shrink } from '../sim/shrink.ts'

/** So that a failure can be followed: `npm run sim -- --seed N`. */
const FROM = 7_000_000

function mutant(name: string) {
  const found = mutants.find((one) => one.name === name)
  if (!found) throw new Error(`no such mutant: ${name}`)
  return found
}

describe('the simulation', () => {
  test('two hundred seeds break no law, and reach most of what is hard to reach', { timeout: 300_000 }, async () => {
    const { seeds, failures, counts } = await runBatch({ from: FROM, seeds: 200 })
    expect(failures.map(({ plan, violation }) => `${plan.seed} ${violation?.oracle} ${violation?.text}`)).toEqual([])
    expect(seeds).toBe(200)
    expect(missing(counts).length).toBeLessThan(sometimes.length / 4)
  })

  test('a seed run twice leaves the same trace, alone or in company', { timeout: 120_000 }, async () => {
    const seeds = Array.from({ length: 12 }, (_, i) => FROM + i)
    const together = new Map<number, number>()
    await runPlans(
      seeds.map((seed) => planOf(seed)),
      ({ plan, trace }) => together.set(plan.seed, trace),
    )
    for (const seed of seeds) expect((await runPlan(planOf(seed), { notes: true })).trace, `seed ${seed}`).toBe(together.get(seed))
    expect(new Set(together.values()).size).toBe(seeds.length)
  })

  test('taking one fault away does not reshuffle the others', () => {
    const whole = planOf(FROM)
    const { faults } = planOf(FROM)
    expect(whole.faults).toEqual(faults)
    expect(planOf(FROM, 'observed').timing).toEqual(whole.timing)
  })
})

describe('planted faults', () => {
  test.each(mutants)('$name: its snippet is there, once', (one) => {
    expect(() => planted(one)).not.toThrow()
  })

  test('have names of their own', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  })

  test.each([
    ['the deadline counts from the answer to the renewal', 'I1'],
    ['a refused renewal is ignored', 'I8'],
    ['released before the work has ended', 'I5'],
    ['a listener that throws ends everything', 'I13'],
    ['released without a look at the holder', 'I5'],
  ])('%s: caught by %s', { timeout: 120_000 }, async (name, oracle) => {
    expect((await catchIt(mutant(name)))?.oracle).toBe(oracle)
  })

  test('a snippet that is not found is an error', async () => {
    const wrong = { name: 'nothing', file: 'src/timing.ts', find: 'there is no such text', replace: '' }
    await expect(load('sim/batch.ts', wrong)).rejects.toThrow(/found it 0 times/)
  })

  test('a failing plan is made small, and still fails', { timeout: 120_000 }, async () => {
    const planting = mutant('a failed renewal is taken for granted')
    const bad = await load<{ hunt: typeof hunt; runPlan: typeof RunPlan; planOf: typeof PlanOf }>('sim/batch.ts', planting)
    const found = await bad.hunt(0, 200)
    const plan = found?.plan
    if (!plan) throw new Error('the mutant lives')
    const fails = async (smaller: typeof plan) => (await bad.runPlan(smaller)).violation?.oracle === found.violation?.oracle
    const small = await shrink(plan, fails)
    expect(await fails(small)).toBe(true)
    expect(small.faults.length).toBeLessThan(Math.max(2, plan.faults.length / 2))
  })
})
