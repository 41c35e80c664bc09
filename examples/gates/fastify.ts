/** Fastify: routes of a scope that only the leader may serve; everywhere else 503 with the leader's address. */

import fastify, { type FastifyPluginAsync } from 'fastify'
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

/** A plugin: all routes of the scope that registers it are the leader's. */
const leaderOnly: FastifyPluginAsync<{ candidate: Candidate }> = async (scope, options) => {
  scope.addHook('onRequest', async (_request, reply) => {
    const other = refusal(options.candidate)
    if (other) return reply.code(other.status).headers(other.headers).send(other.body)
  })
}
// Without this its hook would be for its own routes alone; it is what fastify-plugin sets.
Object.assign(leaderOnly, { [Symbol.for('skip-override')]: true })

const app = fastify()
app.get('/', async () => 'anybody')
await app.register(async (leaders) => {
  await leaders.register(leaderOnly, { candidate })
  leaders.post('/jobs', async (_request, reply) => reply.code(202).send({ fencingToken: candidate.tenure?.fencingToken }))
})
// Comes when what was being served has been.
app.addHook('onClose', () => candidate.stop())
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void app.close())

await candidate.start()
await app.listen({ port, host: '127.0.0.1' })
console.log('listening')
