/**
 * A small HTTP service of which one instance serves and the others stand ready:
 *
 *   npm run build
 *   node examples/failover-http/service.js .tmp/notes 8081
 *   node examples/failover-http/service.js .tmp/notes 8082
 *
 * A load balancer asks each instance for `/ready`. POST /notes/<id> stores a note, GET /notes lists them.
 */

import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join, resolve } from 'node:path'
import { Failover, unixSocketBus } from 'tenure/failover'
import { file } from 'tenure/file'
import { Journal } from './journal.js'

const [directory, port, ttlMs = '15000'] = process.argv.slice(2)
if (!(Number(port) > 0 && Number(ttlMs) > 0)) {
  console.error('usage: node service.js <directory> <port> [ttl in ms]')
  process.exit(64)
}
const dir = resolve(directory)
await mkdir(dir, { recursive: true })
let journal

const failover = new Failover({
  election: 'notes',
  id: `notes-${port}`,
  advert: `http://127.0.0.1:${port}`,
  ttlMs: Number(ttlMs),
  arbiter: file({ dir: join(dir, 'arbiter') }),
  bus: unixSocketBus({ path: join(dir, 'bus.sock') }),
  async onPromote(tenure) {
    journal = await Journal.open(join(dir, 'notes.jsonl'), tenure.fencingToken)
  },
  async onDemote() {
    await journal?.close()
    journal = undefined
  },
})

const server = createServer(async (request, response) => {
  const { tenure } = failover
  const answer = (status, body, headers = {}) => {
    // An instance that is no longer primary is asked again elsewhere, on a new connection.
    if (status === 503) headers.connection = 'close'
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }
  try {
    if (request.url === '/status') return answer(200, failover.status())
    if (!tenure || !journal) return answer(503, { error: 'secondary', primary: failover.status().primary?.advert })
    if (request.url === '/ready') return answer(200, { role: failover.role })
    if (request.method === 'GET') return answer(200, journal.notes)
    let text = ''
    for await (const chunk of request) text += chunk
    await journal.append(request.url.slice('/notes/'.length), text)
    // Between the first look and this one somebody else may have become primary, and not have read this note.
    if (!tenure.held) return answer(503, { error: 'no longer primary: nobody knows whether the note was kept' })
    answer(201, { fencingToken: tenure.fencingToken })
  } catch (error) {
    answer(503, { error: error.message })
  }
})

failover.on('role', (role, { reason }) => console.log(`${failover.id}: ${role} (${reason})`))
failover.on('suspect', ({ reason, primary }) => console.log(`${failover.id}: doubts ${primary} (${reason})`))
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    await failover.stop()
    server.close()
    server.closeAllConnections()
  })
}
server.listen(Number(port), '127.0.0.1', () => failover.start())
