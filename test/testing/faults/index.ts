/** All planted faults. */

import { exclusive } from './exclusive.ts'
import { expiry } from './expiry.ts'
import type { Fault } from './fault.ts'
import { memos } from './memo.ts'
import { names } from './names.ts'
import { rest } from './rest.ts'
import { tokens } from './tokens.ts'
import { zombie } from './zombie.ts'

export const faults: readonly Fault[] = [...exclusive, ...expiry, ...tokens, ...zombie, ...names, ...rest, ...memos]
