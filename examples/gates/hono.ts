/** Hono: what only the leader may do is answered with 503 and the leader's address everywhere else. */

import { serve } from '@hono/node-server'
import { Hono, type MiddlewareHandler } from 'hono'
// In your project: 'tenure/gates', 'tenure' and 'tenure/file'.
import { refusal } from '../../src/gates.ts'
import { Candidate } from '../../src/index.ts'
import { file } from '../../src/stores/file.ts'

const port = Number(process.env['PORT'] ?? 3000)
const candidate = new Candidate({
  election: 'web',
  store: file({ dir: process.env['TENURE_DIR'] }),
  advert: `http://127.0.0.1:${port}`,
})

const leaderOnly: MiddlewareHandler = async (context, next) => {
  const other = refusal(candidate)
  return other ? context.json(other.body, other.status, other.headers) : next()
}

const app = new Hono()
app.get('/', (context) => context.text('anybody'))
app.post('/jobs', leaderOnly, (context) => context.json({ fencingToken: candidate.tenure?.fencingToken }, 202))

await candidate.start()
const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, () => console.log('listening'))

// The lease is given back at once, so that nobody waits for its end; what is being served is served to the end.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void candidate.stop()
    server.close()
  })
}
