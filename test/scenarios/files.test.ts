/** B1 to B4 on files of one host. */

import { plays } from './plays.ts'

plays('the file store', { ttlMs: 500, rounds: 3 })
