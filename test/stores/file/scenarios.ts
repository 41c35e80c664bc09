/** All scenarios of the file store. */

import { chain } from './scenarios/chain.ts'
import { liveness } from './scenarios/liveness.ts'
import { observation } from './scenarios/observation.ts'
import { races } from './scenarios/races.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { watching } from './scenarios/watching.ts'

export { play, type Scenario } from './scenarios/scenario.ts'

export const scenarios: readonly Scenario[] = [...races, ...chain, ...observation, ...liveness, ...watching]
