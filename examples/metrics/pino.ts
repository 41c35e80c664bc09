/** Logging through pino: one line for each change of leadership, trouble once a minute, renewals at debug. */

import { pino } from 'pino'
// In your project: 'tenure', 'tenure/memory' and 'tenure/pino'.
import { Candidate } from '../../src/index.ts'
import { fromPino } from '../../src/loggers/pino.ts'
import { memory } from '../../src/stores/memory.ts'

const log = pino()
const candidate = new Candidate({ election: 'outbox', store: memory(), logger: fromPino(log) })
await candidate.start()
await candidate.stop()
