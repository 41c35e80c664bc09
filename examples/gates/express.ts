/** Express: what only the leader may do is answered with 503 and the leader's address everywhere else. */

import express, { type RequestHandler } from 'express'
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

const leaderOnly: RequestHandler = (_request, response, next) => {
  const other = refusal(candidate)
  if (!other) return next()
  response.status(other.status).set(other.headers).json(other.body)
}

const app = express()
app.get('/', (_request, response) => void response.send('anybody'))
app.post('/jobs', leaderOnly, (_request, response) => void response.status(202).json({ fencingToken: candidate.tenure?.fencingToken }))

await candidate.start()
const server = app.listen(port, '127.0.0.1', () => console.log('listening'))

// The lease is given back at once, so that nobody waits for its end; what is being served is served to the end.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void candidate.stop()
    server.close()
  })
}
