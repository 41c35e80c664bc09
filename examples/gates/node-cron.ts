/**
 * node-cron on every replica, and the job on the leader alone: its run coordinator asks a candidate. Run two of these:
 *
 *   npx esbuild examples/gates/node-cron.ts --bundle --platform=node --packages=external --format=esm --outfile=.tmp/cron.mjs
 *   node .tmp/cron.mjs
 */

import cron from 'node-cron'
// In your project: 'tenure' and 'tenure/file'.
import { Candidate } from '../../src/index.ts'
import { file } from '../../src/stores/file.ts'

const candidate = new Candidate({ election: 'cron', store: file({ dir: process.env['TENURE_DIR'] }) })
await candidate.start()

cron.setRunCoordinator({ shouldRun: () => candidate.isLeader })

cron.schedule('* * * * * *', ({ date }) => console.log('report', date.toISOString()), { name: 'report', distributed: true })

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void candidate.stop().then(() => process.exit()))
