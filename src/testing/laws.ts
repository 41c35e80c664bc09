/**
 * The contract of a store, as data: every law with its name, its reason and its check. Ordered from the simple to the
 * composed, so that the first law that is broken says most. Runs anywhere: knows no test runner.
 */

import { aborting } from './laws/abort.ts'
import { separation } from './laws/apart.ts'
import { crowd } from './laws/crowd.ts'
import { exclusive } from './laws/exclusive.ts'
import { expiry } from './laws/expiry.ts'
import type { Law } from './laws/law.ts'
import { memos } from './laws/memo.ts'
import { tokens } from './laws/tokens.ts'
import { watching } from './laws/watch.ts'
import { words } from './laws/words.ts'
import { zombie } from './laws/zombie.ts'

export { Lab, type LabOptions, openLab } from './laws/lab.ts'
export { type Law, LawBroken, missing, type Need } from './laws/law.ts'

/** All laws of a store. */
export const laws: readonly Law[] = Object.freeze([
  ...exclusive,
  ...expiry,
  ...tokens,
  ...zombie,
  ...separation,
  ...words,
  ...aborting,
  ...watching,
  ...crowd,
  ...memos,
])
