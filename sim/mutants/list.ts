/** All planted faults. Each has to be caught by an oracle, or to be named equivalent with the reason. */

import type { Planting } from '../bundle.ts'
import type { Profile } from '../plan.ts'
import { machineMutants } from './machine.ts'
import { shellMutants } from './shell.ts'
import { storeMutants } from './store.ts'

export interface Mutant extends Planting {
  /** Where the fault can be seen only under one profile. */
  readonly profile?: Profile
  /** Why nobody could tell the difference. */
  readonly equivalent?: string
}

export const mutants: readonly Mutant[] = [...machineMutants, ...shellMutants, ...storeMutants]
