/** What is left of a failing seed for those who look into it: a file with the plan, made small, that can be run again. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Plan } from './plan.ts'
import { type Result, runPlan } from './run.ts'
import { shrink } from './shrink.ts'
import { hex } from './timeline.ts'

const OUT = '.tmp/sim'

/** The same failure with as little as it takes. */
export async function shrunk({ plan, violation }: Result): Promise<Plan> {
  return shrink(plan, async (smaller) => (await runPlan(smaller)).violation?.oracle === violation?.oracle)
}

/** Returns the name of the file. */
export function keep({ plan, violation }: Result, small: Plan, commit: string): string {
  mkdirSync(OUT, { recursive: true })
  const file = `${OUT}/failure-${hex(plan.seed)}.json`
  writeFileSync(file, JSON.stringify({ commit, violation, plan, small }, endless, 2))
  return file
}

/** The small plan of such a file. */
export function planIn(file: string): Plan {
  return (JSON.parse(readFileSync(file, 'utf8'), endlessAgain) as { small: Plan }).small
}

/** JSON has no infinity. */
function endless(_: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? 'endless' : value
}

function endlessAgain(_: string, value: unknown): unknown {
  return value === 'endless' ? Number.POSITIVE_INFINITY : value
}
