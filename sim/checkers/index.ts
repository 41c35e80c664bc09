/** All oracles. I6, I7 and I11 are directed and live in `episodes/`. */

import type { Cluster } from '../cluster.ts'
import { counting } from '../coverage.ts'
import type { Checker } from '../witness.ts'
import { aside } from './aside.ts'
import { authority } from './authority.ts'
import { calls } from './calls.ts'
import { contract } from './contract.ts'
import { fenced } from './fenced.ts'
import { knowledge } from './knowledge.ts'
import { leftovers } from './leftovers.ts'
import { life } from './life.ts'
import { load } from './load.ts'
import { lost } from './lost.ts'
import { pauses } from './pauses.ts'
import { release } from './release.ts'
import { stop } from './stop.ts'
import { tokens } from './tokens.ts'
import { work } from './work.ts'

export const checkers = (cluster: Cluster): readonly Checker[] => [
  authority(cluster),
  tokens(cluster),
  fenced(cluster),
  work(cluster),
  release(cluster),
  lost(cluster),
  contract(cluster),
  load(cluster),
  calls(cluster),
  pauses(cluster),
  aside(cluster),
  stop(cluster),
  life(cluster),
  knowledge(cluster),
  leftovers(cluster),
  counting(cluster),
]
