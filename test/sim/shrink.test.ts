/** A failing plan is made small, and goes on failing for the same reason. */

import { expect, test } from 'vitest'
import type { hunt as Hunt, planOf as PlanOf, runPlan as RunPlan } from '../../sim/batch.ts'
import { planOf } from '../../sim/batch.ts'
import { load } from '../../sim/bundle.ts'
import { mutants } from '../../sim/mutants/list.ts'
import type { Plan } from '../../sim/plan.ts'
import { shrink } from '../../sim/shrink.ts'

const hasKind = (plan: Plan, kind: string) => plan.faults.some((fault) => fault.kind === kind)

test('only what it takes is left', async () => {
  const seed = Array.from({ length: 10_000 }, (_, i) => i).find((i) => {
    const plan = planOf(i)
    return plan.hosts > 2 && plan.faults.length > 8 && hasKind(plan, 'pause') && hasKind(plan, 'cut')
  })
  const plan = planOf(seed ?? 0)
  let tries = 0
  const small = await shrink(plan, async (smaller) => {
    tries += 1
    return smaller.hosts >= 2 && smaller.horizonMs > plan.horizonMs / 3 && hasKind(smaller, 'pause') && hasKind(smaller, 'cut')
  })
  expect(small.faults.map(({ kind }) => kind).sort()).toEqual(['cut', 'pause'])
  expect(small).toMatchObject({ hosts: 2, elections: 1, jitterMs: 0, skew: 'none', askEvery: 0 })
  expect(small.horizonMs).toBe(Math.ceil(plan.horizonMs * 0.5))
  for (const fault of small.faults) expect('forMs' in fault && fault.forMs).toBeLessThanOrEqual(1)
  expect(tries).toBeLessThan(150)
})

test('a plan that fails by itself is left with no fault at all', async () => {
  const small = await shrink(planOf(1), async () => true)
  expect(small.faults).toEqual([])
  expect(small.hosts).toBe(1)
})

test('a mutant, with the faults that it takes', { timeout: 120_000 }, async () => {
  const mutant = mutants.find(({ name }) => name === 'a failed renewal is taken for granted')
  const bad = await load<{ hunt: typeof Hunt; runPlan: typeof RunPlan; planOf: typeof PlanOf }>('sim/batch.ts', mutant)
  const found = await bad.hunt(0, 200)
  const plan = found?.plan
  if (!plan) throw new Error('the mutant lives')
  const fails = async (smaller: Plan) => (await bad.runPlan(smaller)).violation?.oracle === found.violation?.oracle
  const small = await shrink(plan, fails)
  expect(await fails(small)).toBe(true)
  expect(small.faults.length).toBeLessThan(Math.max(2, plan.faults.length / 2))
})
