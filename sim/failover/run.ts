/** Runs seeds, about twenty worlds in lock-step, so that one turn of the real event loop drains the promises of all. */

import { World } from '../world.ts'
import { Pack } from './pack.ts'
import { type Plan, planOf } from './plan.ts'

export interface Result {
  readonly plan: Plan
  readonly world: World
}

export interface RunOptions {
  readonly from: number
  readonly seeds: number
  readonly notes?: boolean
  /** @default drawn from the seed */
  readonly plan?: (seed: number) => Plan
  /** Stop at the first world in which a law is broken. */
  readonly hunt?: boolean
}

export async function runSeeds(options: RunOptions, tell: (result: Result) => void): Promise<void> {
  const { from, seeds, notes = false, hunt = false, plan = planOf } = options
  const restore = quieten()
  let next = 0
  let isOver = false
  let runs: Result[] = []
  try {
    for (;;) {
      while (runs.length < 20 && next < seeds && !isOver) runs.push(begin(plan(from + next++), notes))
      if (runs.length === 0) return
      runs = runs.filter((run) => {
        if (run.world.turn()) return true
        tell(run)
        if (hunt && run.world.violation) isOver = true
        return false
      })
      if (isOver) return
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    restore()
  }
}

/** The first seed that breaks a law; of those that run side by side the first to end. */
export async function hunt(
  from: number,
  seeds: number,
): Promise<{ readonly seed: number; readonly law: string; readonly text: string } | undefined> {
  let found: { readonly seed: number; readonly law: string; readonly text: string } | undefined
  await runSeeds({ from, seeds, hunt: true }, ({ plan, world }) => {
    if (world.violation) found ??= { seed: plan.seed, law: world.violation.oracle, text: world.violation.text }
  })
  return found
}

function begin(plan: Plan, notes: boolean): Result {
  const world = new World(plan.seed, { notes })
  world.at(0, () => {
    world.touch()
    new Pack(world, plan).play().then(
      () => world.finish(),
      (thrown: unknown) => world.violated('SIM', thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)),
    )
  })
  return { plan, world }
}

/** Tight timing and the like is what plans are for. */
function quieten(): () => void {
  const { emitWarning } = process
  process.emitWarning = () => {}
  return () => {
    process.emitWarning = emitWarning
  }
}
