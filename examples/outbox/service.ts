/**
 * Run as many copies as you like; one of them sends. Says what becomes of it as lines of JSON.
 *
 *   npx esbuild examples/outbox/service.ts --bundle --platform=node --packages=external --format=esm --outfile=.tmp/service.mjs
 *   node .tmp/service.mjs postgres://localhost/test http://127.0.0.1:8080 a
 */

// In your project: 'tenure' and 'tenure/postgres'.
import { Candidate, type Tenure, TenureError } from '../../src/index.ts'
import { postgres } from '../../src/stores/postgres.ts'
import { type Message, Outbox } from './outbox.ts'

const [connectionString = '', receiver = '', id = '', ttl = '15000'] = process.argv.slice(2)
if (id === '') {
  console.error('usage: node service.mjs <url of Postgres> <url of the receiver> <id> [ttl in ms]')
  process.exit(64)
}
const BATCH = 20
const POLL_MS = 100

const outbox = new Outbox(connectionString, Number(ttl))
const store = postgres(outbox.pool)
const say = (event: string, more: object = {}) => console.log(JSON.stringify({ event, id, ...more }))

async function work(tenure: Tenure): Promise<void> {
  await outbox.takeOver(tenure.fencingToken)
  do {
    try {
      while (tenure.held && (await sendBatch(tenure)) === BATCH);
    } catch (error) {
      if (error instanceof TenureError) throw error
      // The receiver or the database is away, which another leader could not help either: the same once more, in order.
      say('trouble', { code: 'not-sent', message: String(error) })
    }
  } while (await tenure.sleep(POLL_MS))
}

/** In order, one after the other; what was answered is marked in one transaction. */
async function sendBatch(tenure: Tenure): Promise<number> {
  const sent: number[] = []
  try {
    for (const message of await outbox.unsent(BATCH)) {
      if (!tenure.held) break
      await send(message, tenure)
      sent.push(message.id)
    }
  } finally {
    // Also when the tenure has ended meanwhile: they were sent, and the fence knows whether that may still be said.
    if (sent.length > 0) await outbox.markSent(sent, tenure.fencingToken)
  }
  return sent.length
}

async function send({ id, text }: Message, tenure: Tenure): Promise<void> {
  const headers = { 'message-id': String(id), 'fencing-token': String(tenure.fencingToken) }
  // Given up when somebody else may lead. Not with the signal of the tenure: a handover waits for an answer.
  const signal = AbortSignal.timeout(Math.floor(tenure.remainingMs()))
  const answer = await fetch(receiver, { method: 'POST', headers, body: text, signal })
  await answer.arrayBuffer()
  if (answer.status === 409) throw new TenureError('stale-token', `message ${id}: the receiver has heard a later leader`)
  if (!answer.ok) throw new Error(`message ${id} was answered with ${answer.status}`)
}

const candidate = new Candidate({ election: 'outbox', id, store, ttlMs: Number(ttl), work })
candidate.on('elected', ({ fencingToken }) => say('elected', { fencingToken }))
candidate.on('deposed', ({ fencingToken }, why) => say('deposed', { fencingToken, why }))
candidate.on('trouble', ({ code, message }) => say('trouble', { code, message }))

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, async () => {
    await candidate.stop()
    await outbox.pool.end()
  })
}
await store.ensureSchema()
await outbox.ensureSchema()
await candidate.start()
say('standing')
