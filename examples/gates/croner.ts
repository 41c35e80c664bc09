/** Croner on every replica, and the job on the leader alone. */

import { Cron } from 'croner'
// In your project: 'tenure/gates', 'tenure' and 'tenure/file'.
import { onlyLeader } from '../../src/gates.ts'
import { Candidate } from '../../src/index.ts'
import { file } from '../../src/stores/file.ts'

const candidate = new Candidate({ election: 'cron', store: file({ dir: process.env['TENURE_DIR'] }) })
await candidate.start()

new Cron(
  '* * * * * *',
  onlyLeader(candidate, (_tenure, job: Cron) => console.log('report', job.currentRun()?.toISOString())),
)

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void candidate.stop().then(() => process.exit()))
