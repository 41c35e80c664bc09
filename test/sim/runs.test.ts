/** Seeds as they are run: no law is broken, and a seed is always the same. To follow one: `npm run sim -- --seed N`. */

import { describe, expect, test } from 'vitest'
import { planOf, runBatch, runPlan } from '../../sim/batch.ts'
import { missing, sometimes } from '../../sim/coverage.ts'
import { profiles } from '../../sim/plan.ts'
import { runPlans } from '../../sim/run.ts'

const FROM = 7_000_000

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

  test('what was never reached is named', () => {
    expect(missing(new Map())).toEqual(sometimes)
    expect(missing(new Map(sometimes.map((what) => [what, 1])))).toEqual([])
  })
})

describe('a plan', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(planOf(FROM)).toEqual(planOf(FROM))
    expect(planOf(FROM)).not.toEqual(planOf(FROM + 1))
  })

  test('keeps its timing and its cluster under another profile', () => {
    const { profile, faults, ...whole } = planOf(FROM)
    for (const other of profiles) {
      const { profile: _, faults: __, ...same } = planOf(FROM, other)
      expect(same).toEqual(whole)
    }
  })

  test('goes without a margin in at least a third of all seeds, and names everything that can go wrong', () => {
    const plans = Array.from({ length: 3000 }, (_, i) => planOf(FROM + i))
    expect(plans.filter(({ timing }) => timing.marginMs === 0).length).toBeGreaterThan(1000)
    const kinds = new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)))
    expect(kinds.size).toBe(25)
  })
})
