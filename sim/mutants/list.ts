/** All planted faults. Each has to be caught by an oracle: a fault that nobody could notice is no fault. */

import type { Planting } from '../bundle.ts'
import type { Profile } from '../plan.ts'
import { machineMutants } from './machine.ts'
import { shellMutants } from './shell.ts'
import { storeMutants } from './store.ts'

export interface Mutant extends Planting {
  /** Where the fault can be seen only under one profile. */
  readonly profile?: Profile
}

export const mutants: readonly Mutant[] = [...machineMutants, ...shellMutants, ...storeMutants]
