/**
 * Makes a failing plan small: fewer faults (ddmin: Zeller and Hildebrandt, 2002), fewer processes, a shorter horizon, a
 * plainer network. Every step must break the same law; because chance is drawn by counter, what is left stays as it was.
 */

import type { Fault } from './faults.ts'
import type { Plan } from './plan.ts'

/** Tell whether a plan still breaks the same law. */
export type Fails = (plan: Plan) => Promise<boolean>

export async function shrink(plan: Plan, fails: Fails): Promise<Plan> {
  let small = plan
  const attempt = async (candidate: Plan): Promise<boolean> => {
    if (!(await fails(candidate))) return false
    small = candidate
    return true
  }
  await attempt({ ...small, faults: await fewest(small.faults, (faults) => fails({ ...small, faults })) })
  while (small.hosts > 1 && (await attempt({ ...small, hosts: small.hosts - 1 }))) {}
  if (small.elections > 1) await attempt({ ...small, elections: 1 })
  for (const share of [0.25, 0.5, 0.75, 0.9]) {
    if (await attempt({ ...small, horizonMs: Math.ceil(small.horizonMs * share) })) break
  }
  for (const plainer of [
    { jitterMs: 0 },
    { skew: 'none' },
    { deaf: false },
    { askEvery: 0 },
    { sloppy: false },
    { equalIds: false },
  ] as const) {
    await attempt({ ...small, ...plainer })
  }
  for (const [i, fault] of small.faults.entries()) {
    for (const milder of milderThan(fault)) await attempt({ ...small, faults: small.faults.with(i, milder) })
  }
  return { ...small, faults: await fewest(small.faults, (faults) => fails({ ...small, faults })) }
}

/** The smallest list found for which `fails` holds, by leaving out ever smaller chunks. */
async function fewest(all: readonly Fault[], fails: (faults: readonly Fault[]) => Promise<boolean>): Promise<readonly Fault[]> {
  let left = all
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < left.length; ) {
      const without = [...left.slice(0, from), ...left.slice(from + size)]
      if (await fails(without)) left = without
      else from += size
    }
  }
  return left
}

/** The same fault, shorter or weaker. */
function milderThan(fault: Fault): readonly Fault[] {
  const milder: Fault[] = []
  if ('forMs' in fault && fault.forMs > 1)
    milder.push({ ...fault, forMs: Math.round(fault.forMs / 4) }, { ...fault, forMs: Math.round(fault.forMs / 2) })
  if (fault.kind === 'noise') milder.push({ ...fault, lose: 0 }, { ...fault, double: 0 }, { ...fault, slowMs: 0 })
  return milder
}
