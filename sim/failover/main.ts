/**
 * The simulation of failover:
 *
 *   node scripts/bundled.mjs sim/failover/main.ts [--seeds N] [--from N]   many worlds
 *   node scripts/bundled.mjs sim/failover/main.ts --seed N                 one of them, told
 *   node scripts/bundled.mjs sim/failover/main.ts --mutants [NAME]         each planted fault has to be caught
 */

import { load } from '../bundle.ts'
import { mutants } from './mutants.ts'
import { type hunt, runSeeds } from './run.ts'

const [flag, value] = process.argv.slice(2)
const option = (name: string, otherwise: number) => {
  const at = process.argv.indexOf(name)
  return at < 0 ? otherwise : Number(process.argv[at + 1])
}

if (flag === '--seed') await one(Number(value))
else if (flag === '--mutants') await allMutants(value)
else await many(option('--from', 0), option('--seeds', 1000))

async function one(seed: number): Promise<void> {
  await runSeeds({ from: seed, seeds: 1, notes: true }, ({ plan, world }) => {
    console.log(plan)
    for (const { at, who, what } of world.notes) console.log(`${at.toFixed(1).padStart(10)}  ${who.padEnd(8)} ${what}`)
    if (world.violation) process.exitCode = 1
  })
}

async function many(from: number, seeds: number): Promise<void> {
  const counts = new Map<string, number>()
  const started = process.cpuUsage()
  let hours = 0
  let broken = 0
  await runSeeds({ from, seeds }, ({ plan, world }) => {
    hours += world.now / 3_600_000
    for (const [what, count] of world.counts) counts.set(what, (counts.get(what) ?? 0) + count)
    if (!world.violation) return
    broken += 1
    console.log(`seed ${plan.seed}: ${world.violation.oracle} at ${world.violation.at.toFixed(1)}: ${world.violation.text}`)
  })
  const { user, system } = process.cpuUsage(started)
  for (const [what, count] of [...counts].sort()) console.log(`${String(count).padStart(9)}  ${what}`)
  console.log(`${seeds} seeds, ${hours.toFixed(1)} simulated hours, ${((user + system) / 1e6).toFixed(1)} s of CPU, ${broken} broken`)
  if (broken > 0) process.exitCode = 1
}

async function allMutants(only: string | undefined): Promise<void> {
  for (const mutant of mutants.filter(({ name }) => only === undefined || name.includes(only))) {
    const run = await load<{ hunt: typeof hunt }>('sim/failover/run.ts', mutant)
    const found = await run.hunt(0, 1000)
    console.log(`${found ? `ok  ${found.law} seed ${found.seed}` : 'LIVES'}  ${mutant.name}${found ? `: ${found.text}` : ''}`)
    if (!found) process.exitCode = 1
  }
}
