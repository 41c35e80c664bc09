/**
 * The command: `npm run sim -- --seeds 2000 --from N`, `--minutes CPU`, `--profile P`; without `--from` the seeds begin
 * with the hash of the commit. A seed that breaks a law is made small and told as a timeline; `--seed 0x...` shows one,
 * `--shrink` makes it small first, `--plan FILE` runs what was kept of a failure. `--mutants` shows that planted faults
 * are caught, `--only NAME` some of them, `--record` searches from the first seed and writes down where.
 */

import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { keep, planIn, shrunk } from './artefact.ts'
import { runBatch, type Tally } from './batch.ts'
import { missing } from './coverage.ts'
import { runMutants } from './mutants/run.ts'
import { type Plan, type Profile, planOf, profiles } from './plan.ts'
import { type Result, runPlan } from './run.ts'
import { describePlan, hex, timeline } from './timeline.ts'

/** Below this many seeds nobody can say that a state is never reached. */
const SEEDS_FOR_COVERAGE = 2000
/** Lines of a timeline that is printed without being asked for. */
const LAST_LINES = 40

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    profile: { type: 'string' },
    shrink: { type: 'boolean' },
    plan: { type: 'string' },
    mutants: { type: 'boolean' },
    only: { type: 'string' },
    record: { type: 'boolean' },
    counts: { type: 'boolean' },
  },
})

const profile = profileOf(values.profile)
if (values.mutants) process.exitCode = (await runMutants({ only: values.only, record: values.record ?? false })) ? 0 : 1
else if (values.plan !== undefined) await show(planIn(values.plan))
else if (values.seed !== undefined) await show(await planOfSeed(numberOf('seed', values.seed)))
else await showBatch()

async function showBatch(): Promise<void> {
  const from = values.from === undefined ? commitSeed() : numberOf('from', values.from)
  const cpuMinutes = values.minutes === undefined ? undefined : numberOf('minutes', values.minutes)
  const seeds = values.seeds === undefined ? (cpuMinutes === undefined ? 2000 : undefined) : numberOf('seeds', values.seeds)
  const tally = await runBatch({
    from,
    ...(seeds !== undefined && { seeds }),
    ...(cpuMinutes !== undefined && { cpuMinutes }),
    ...(profile && { profile }),
  })
  console.log(summary(from, tally))
  if (values.counts) for (const [what, count] of [...tally.counts].sort()) console.log(`  ${what} ${count}`)
  for (const failure of tally.failures) await report(failure)
  const unreached = tally.seeds >= SEEDS_FOR_COVERAGE && !profile ? missing(tally.counts) : []
  if (unreached.length > 0) console.log(`Never reached: ${unreached.join(', ')}`)
  if (tally.failures.length > 0 || unreached.length > 0) process.exitCode = 1
}

function summary(from: number, { seeds, events, simulatedMs, cpuSeconds, failures }: Tally): string {
  const hours = simulatedMs / 3_600_000
  const perMinute = 60 / cpuSeconds
  return (
    `${seeds} seeds from ${hex(from)}: ${hours.toFixed(1)} simulated hours, ${events} events, ${failures.length} violations, ` +
    `${cpuSeconds.toFixed(1)} s of CPU (${Math.round(seeds * perMinute)} seeds, ${Math.round(hours * perMinute)} h a minute)`
  )
}

async function report(failure: Result): Promise<void> {
  const { plan, violation } = failure
  console.log(`${violation?.oracle} at ${violation?.at.toFixed(0)} ms: ${violation?.text}`)
  console.log(`  npm run sim -- --seed ${hex(plan.seed)} --profile ${plan.profile}`)
  const small = await shrunk(failure)
  console.log(`  npm run sim -- --plan ${keep(failure, small, git('rev-parse', 'HEAD'))}`)
  console.log(describePlan(small))
  console.log(timeline(await runPlan(small, { notes: true }), LAST_LINES))
}

async function planOfSeed(seed: number): Promise<Plan> {
  const plan = planOf(seed, profile)
  const first = values.shrink ? await runPlan(plan) : undefined
  return first?.violation ? shrunk(first) : plan
}

async function show(plan: Plan): Promise<void> {
  const result = await runPlan(plan, { notes: true })
  console.log(describePlan(plan))
  console.log(timeline(result))
  const again = await runPlan(plan)
  if (again.trace !== result.trace) throw new Error(`the same seed gave two traces: ${hex(again.trace)} and ${hex(result.trace)}`)
  const { violation } = result
  console.log(violation ? `${violation.oracle} at ${violation.at.toFixed(2)} ms: ${violation.text}` : 'no violation')
  if (violation) process.exitCode = 1
}

function profileOf(text: string | undefined): Profile | undefined {
  if (text === undefined) return undefined
  const found = profiles.find((name) => name === text)
  if (!found) throw new Error(`--profile: expected one of ${profiles.join(', ')}, got ${text}`)
  return found
}

function numberOf(option: string, text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${option}: expected a number, got ${text}`)
  return value
}

/** Every commit is tried with seeds of its own. */
function commitSeed(): number {
  return Number.parseInt(git('rev-parse', 'HEAD').slice(0, 8), 16)
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim()
}
