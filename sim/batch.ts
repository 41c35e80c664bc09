/** Many seeds at once: what `main.ts` and the mutants run. The door of a bundle with a fault planted in it. */

import { type Plan, type Profile, planOf } from './plan.ts'
import { type Result, runPlans } from './run.ts'

export { planOf } from './plan.ts'
export { runPlan } from './run.ts'

export interface Tally {
  seeds: number
  events: number
  simulatedMs: number
  cpuSeconds: number
  readonly counts: Map<string, number>
  readonly failures: Result[]
}

export interface BatchOptions {
  readonly from: number
  /** @default no end */
  readonly seeds?: number
  readonly cpuMinutes?: number
  readonly profile?: Profile
  /** Go on after this many failures. @default 10 */
  readonly mostFailures?: number
}

export async function runBatch(options: BatchOptions): Promise<Tally> {
  const { from, seeds = Number.POSITIVE_INFINITY, cpuMinutes = Number.POSITIVE_INFINITY, profile, mostFailures = 10 } = options
  const tally: Tally = { seeds: 0, events: 0, simulatedMs: 0, cpuSeconds: 0, counts: new Map(), failures: [] }
  const started = process.cpuUsage()
  const cpuSeconds = () => {
    const { user, system } = process.cpuUsage(started)
    return (user + system) / 1e6
  }
  await runPlans(
    plans(from, seeds, profile),
    (result) => {
      tally.seeds += 1
      tally.events += result.events
      tally.simulatedMs += result.simulatedMs
      for (const [what, count] of result.counts) tally.counts.set(what, (tally.counts.get(what) ?? 0) + count)
      if (result.violation) tally.failures.push(result)
    },
    { wanted: () => cpuSeconds() < cpuMinutes * 60 && tally.failures.length < mostFailures },
  )
  tally.cpuSeconds = cpuSeconds()
  tally.failures.sort((a, b) => a.plan.seed - b.plan.seed)
  return tally
}

/** The first seed, counted from `from`, that breaks a law. Seeds are tried in small batches, so that it is always the same. */
export async function hunt(from: number, most: number, profile?: Profile): Promise<Result | undefined> {
  for (let done = 0; done < most; done += 20) {
    const { failures } = await runBatch({
      from: from + done,
      seeds: Math.min(20, most - done),
      ...(profile && { profile }),
      mostFailures: 1000,
    })
    if (failures[0]) return failures[0]
  }
  return undefined
}

function* plans(from: number, count: number, profile: Profile | undefined): Iterable<Plan> {
  for (let i = 0; i < count; i++) yield planOf((from + i) >>> 0, profile)
}
