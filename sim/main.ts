/**
 * The command: `npm run sim -- --seeds 2000 --from N`, `--minutes CPU`, `--seed 0x... [--profile P]` for a timeline,
 * `--shrink` to make it small first, `--mutants [NAME]` to show that planted faults are caught (`--record` writes down
 * where). Without `--from` the seeds begin with the hash of the commit.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runBatch, type Tally } from './batch.ts'
import { missing } from './coverage.ts'
import { runMutants } from './mutants/run.ts'
import { type Plan, type Profile, planOf, profiles } from './plan.ts'
import { type Result, runPlan } from './run.ts'
import { shrink } from './shrink.ts'
import { describePlan, hex, timeline } from './timeline.ts'

/** Below this many seeds nobody can say that a state is never reached. */
const SEEDS_FOR_COVERAGE = 2000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    profile: { type: 'string' },
    shrink: { type: 'boolean' },
    mutants: { type: 'boolean' },
    only: { type: 'string' },
    record: { type: 'boolean' },
    counts: { type: 'boolean' },
  },
})

const profile = profileOf(values.profile)
if (values.mutants) process.exitCode = (await runMutants({ only: values.only, record: values.record ?? false })) ? 0 : 1
else if (values.seed !== undefined) await showSeed(planOf(numberOf('seed', values.seed), profile))
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
  for (const failure of tally.failures) report(failure)
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

function report({ plan, violation }: Result): void {
  console.log(`${violation?.oracle} at ${violation?.at.toFixed(0)} ms: ${violation?.text}`)
  console.log(`  npm run sim -- --seed ${hex(plan.seed)} --profile ${plan.profile}`)
  mkdirSync('.tmp/sim', { recursive: true })
  const commit = git('rev-parse', 'HEAD')
  writeFileSync(`.tmp/sim/failure-${hex(plan.seed)}.json`, JSON.stringify({ commit, violation, plan }, undefined, 2))
}

async function showSeed(whole: Plan): Promise<void> {
  let plan = whole
  const first = await runPlan(whole)
  if (values.shrink && first.violation) {
    const { oracle } = first.violation
    plan = await shrink(whole, async (smaller) => (await runPlan(smaller)).violation?.oracle === oracle)
  }
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
