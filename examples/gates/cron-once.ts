/** Each run of a schedule once among all replicas, whoever leads, and although their clocks differ: no candidate stands. */

import cron from 'node-cron'
// In your project: 'tenure/once' and 'tenure/file'.
import { runOnce } from '../../src/once.ts'
import { file } from '../../src/stores/file.ts'

const store = file({ dir: process.env['TENURE_DIR'] })

cron.schedule('* * * * * *', ({ date }) =>
  runOnce('report', () => console.log('report', date.toISOString()), { store, version: date.toISOString(), waitMs: 60_000 }),
)
