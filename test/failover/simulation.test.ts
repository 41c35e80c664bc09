import { describe, expect, test } from 'vitest'
import { load, planted } from '../../sim/bundle.ts'
import { mutants } from '../../sim/failover/mutants.ts'
import { PARTITIONS, partitionOf } from '../../sim/failover/plan.ts'
import { type hunt, type RunOptions, runSeeds } from '../../sim/failover/run.ts'

/** So that a failure can be followed: `node scripts/bundled.mjs sim/failover/main.ts --seed N`. */
const FROM = 40_000

async function run(options: RunOptions): Promise<{ readonly broken: readonly string[]; readonly counts: ReadonlyMap<string, number> }> {
  const broken: string[] = []
  const counts = new Map<string, number>()
  await runSeeds(options, ({ plan, world }) => {
    if (world.violation) broken.push(`${plan.seed} ${world.violation.oracle} ${world.violation.text}`)
    for (const [what, count] of world.counts) counts.set(what, (counts.get(what) ?? 0) + count)
  })
  return { broken, counts }
}

describe('failover in the simulation', () => {
  test('two hundred worlds break no law, and reach what is hard to reach', { timeout: 240_000 }, async () => {
    const { broken, counts } = await run({ from: FROM, seeds: 200 })
    expect(broken).toEqual([])
    const hard = [
      'demoted:expired',
      'demoted:promotion-failed',
      'demoted:stepped-down',
      'suspect:closed',
      'trouble:work-overran',
      'freeze',
      'crash',
    ]
    expect(hard.filter((what) => !counts.has(what))).toEqual([])
  })

  test('every way to cut three instances from the arbiter and from the bus: one primary, if anybody reaches the arbiter', {
    timeout: 240_000,
  }, async () => {
    const { broken } = await run({ from: 0, seeds: PARTITIONS, plan: partitionOf })
    expect(broken).toEqual([])
  })

  test('a seed run twice leaves the same trace', async () => {
    const traces: number[] = []
    for (let i = 0; i < 2; i++) await runSeeds({ from: FROM + 7, seeds: 1 }, ({ world }) => traces.push(world.trace))
    expect(traces[0]).toBe(traces[1])
  })

  test.each(mutants)('$name: its snippet is there, once', (one) => {
    expect(() => planted(one)).not.toThrow()
  })

  test.each([
    'the demotion is not awaited',
    'announced before it is released',
    'older heartbeats count',
    'disabled and standing on',
    'the bus is not joined again',
  ])('%s: caught', { timeout: 240_000 }, async (name) => {
    const mutant = mutants.find((one) => one.name === name)
    const { hunt: find } = await load<{ hunt: typeof hunt }>('sim/failover/run.ts', mutant)
    expect(await find(0, 1000)).toBeDefined()
  })
})
