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
  const attempt = async (smaller: Plan): Promise<boolean> => {
    if (!(await fails(smaller))) return false
    small = smaller
    return true
  }
  const fewer = async () => attempt({ ...small, faults: await fewest(small.faults, (faults) => fails({ ...small, faults })) })
  await fewer()
  while (small.hosts > 1 && (await attempt({ ...small, hosts: small.hosts - 1 }))) {}
  if (small.elections > 1) await attempt({ ...small, elections: 1 })
  for (const share of [0.25, 0.5, 0.75, 0.9]) {
    if (await attempt({ ...small, horizonMs: Math.ceil(small.horizonMs * share) })) break
  }
  for (const plain of plainer) await attempt({ ...small, ...plain })
  for (const i of small.faults.keys()) {
    const soften = async (milder: Partial<Fault>) => {
      const fault = small.faults[i]
      return fault !== undefined && attempt({ ...small, faults: small.faults.with(i, { ...fault, ...milder } as Fault) })
    }
    for (const milder of milderThan(small.faults[i])) await soften(milder)
    for (let forMs = durationOf(small.faults[i]); forMs > 1; forMs /= 2) {
      if (!(await soften({ forMs: Math.floor(forMs / 2) }))) break
    }
  }
  await fewer()
  return small
}

const plainer: readonly Partial<Plan>[] = [
  { jitterMs: 0 },
  { latencyMs: 0 },
  { skew: 'none' },
  { deaf: false },
  { askEvery: 0 },
  { sloppy: false },
  { equalIds: false },
]

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

function durationOf(fault: Fault | undefined): number {
  return fault && 'forMs' in fault ? fault.forMs : 0
}

/** What the same fault may go without. */
function milderThan(fault: Fault | undefined): readonly Partial<Fault>[] {
  return fault?.kind === 'noise' ? [{ lose: 0 }, { loseAnswers: 0 }, { double: 0 }, { slowMs: 0 }] : []
}
