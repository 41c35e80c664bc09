/** toad-scheduler on every replica, and the job on the leader alone. */

import { AsyncTask, SimpleIntervalJob, ToadScheduler } from 'toad-scheduler'
// In your project: 'tenure/gates', 'tenure' and 'tenure/file'.
import { onlyLeader } from '../../src/gates.ts'
import { Candidate } from '../../src/index.ts'
import { file } from '../../src/stores/file.ts'

const candidate = new Candidate({ election: 'cron', store: file({ dir: process.env['TENURE_DIR'] }) })
await candidate.start()

const report = new AsyncTask(
  'report',
  async () => void (await onlyLeader(candidate, async () => console.log('report', new Date().toISOString()))()),
)
new ToadScheduler().addSimpleIntervalJob(new SimpleIntervalJob({ seconds: 1 }, report))

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void candidate.stop().then(() => process.exit()))
