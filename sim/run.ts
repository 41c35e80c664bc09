/**
 * Runs plans. A few worlds advance in lock-step, one turn each per turn of the real event loop, so that one
 * `setImmediate` drains the promises of all of them. A world must never notice its neighbours.
 */

import { checkers } from './checkers/index.ts'
import { Cluster } from './cluster.ts'
import { countPlan } from './coverage.ts'
import { afterwards } from './episodes/index.ts'
import { inject } from './injector.ts'
import type { Plan } from './plan.ts'
import { type Note, type Violation, World } from './world.ts'

export interface Result {
  readonly plan: Plan
  readonly violation: Violation | undefined
  readonly trace: number
  readonly events: number
  readonly simulatedMs: number
  readonly counts: ReadonlyMap<string, number>
  readonly notes: readonly Note[]
}

export interface RunOptions {
  /** Keep what happened, for a timeline. */
  readonly notes?: boolean
  /** How many advance together. */
  readonly width?: number
  /** Asked before each next plan is begun. */
  readonly wanted?: () => boolean
}

/** How many worlds advance together. More of them would not fit into the caches of a processor. */
const WIDTH = 4

interface Run {
  readonly plan: Plan
  readonly world: World
  suspect: boolean
  over: boolean
}

export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<Result> {
  let result: Result | undefined
  await runPlans([plan], (one) => (result = one), options)
  if (!result) throw new Error('a plan gave no result')
  return result
}

/** Run plans, and tell each result as it comes, in no particular order. */
export async function runPlans(plans: Iterable<Plan>, tell: (result: Result) => void, options: RunOptions = {}): Promise<void> {
  const thrown: unknown[] = []
  const restore = quieten((reason) => void thrown.push(reason))
  const suspects: Plan[] = []
  try {
    await lockStep(plans, options, tell, (runs) => {
      for (const reason of thrown.splice(0)) {
        if (runs.length === 1 && runs[0]) runs[0].world.violated('I13', `nobody handles an error: ${String(reason)}`)
        // Nobody knows whose it was: all of them are run again, alone.
        else for (const run of runs.filter(({ suspect }) => !suspect)) suspects.push(markSuspect(run))
      }
    })
  } finally {
    restore()
  }
  for (const plan of suspects) await runPlans([plan], tell, { ...options, width: 1 })
}

/** One turn of each world, then one of the real event loop, until all are over. */
async function lockStep(
  plans: Iterable<Plan>,
  options: RunOptions,
  tell: (result: Result) => void,
  drained: (runs: readonly Run[]) => void,
): Promise<void> {
  const { width = WIDTH, wanted = () => true } = options
  const queue = plans[Symbol.iterator]()
  let runs: Run[] = []
  for (;;) {
    while (runs.length < width && wanted()) {
      const next = queue.next()
      if (next.done) break
      runs.push(begin(next.value, options))
    }
    if (runs.length === 0) return
    let over = 0
    for (const run of runs) {
      run.over = !run.world.turn()
      if (run.over) over += 1
    }
    await new Promise((resolve) => setImmediate(resolve))
    drained(runs)
    if (over === 0) continue
    for (const run of runs) if (run.over && !run.suspect) tell(resultOf(run))
    runs = runs.filter((run) => !run.over)
  }
}

/** What a process does with errors, for as long as worlds run; returns how to undo it. */
function quieten(noted: (reason: unknown) => void): () => void {
  const { emitWarning } = process
  const { stackTraceLimit } = Error
  process.on('unhandledRejection', noted)
  process.on('uncaughtException', noted)
  // Where listeners of `trouble` fail, the library has nobody left to tell but the process.
  process.emitWarning = () => {}
  // Most errors here are made to be forgotten.
  Error.stackTraceLimit = 0
  return () => {
    process.off('unhandledRejection', noted)
    process.off('uncaughtException', noted)
    process.emitWarning = emitWarning
    Error.stackTraceLimit = stackTraceLimit
  }
}

function markSuspect(run: Run): Plan {
  run.suspect = true
  run.world.finish()
  return run.plan
}

function begin(plan: Plan, options: RunOptions): Run {
  const world = new World(plan.seed, { notes: options.notes ?? false })
  countPlan(world, plan)
  const run: Run = { plan, world, suspect: false, over: false }
  world.at(0, () => {
    world.touch()
    script(world, plan).then(
      () => world.finish(),
      (thrown: unknown) => world.violated('SIM', thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)),
    )
  })
  return run
}

async function script(world: World, plan: Plan): Promise<void> {
  const cluster = new Cluster(world, plan, checkers)
  for (let number = 0; number < plan.hosts; number++) cluster.spawn(number)
  inject(cluster)
  await world.wait(plan.horizonMs)
  await afterwards(cluster)
}

function resultOf({ plan, world }: Run): Result {
  const { violation, trace, events, now, counts, notes } = world
  return { plan, violation, trace, events, simulatedMs: now, counts, notes }
}
