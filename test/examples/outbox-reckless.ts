/** A planted fault: the outbox without an election. Every copy sends what it finds, under a token that it makes up. */

import { Outbox } from '../../examples/outbox/outbox.ts'

const [connectionString = '', receiver = '', id = '', ttl = '15000'] = process.argv.slice(2)
const outbox = new Outbox(connectionString, Number(ttl))
const say = (event: string, more: object = {}) => console.log(JSON.stringify({ event, id, ...more }))

async function sendAll(fencingToken: number): Promise<void> {
  for (const { id: message, text } of await outbox.unsent(20)) {
    const headers = { 'message-id': String(message), 'fencing-token': String(fencingToken) }
    await (await fetch(receiver, { method: 'POST', headers, body: text })).arrayBuffer()
    await outbox.pool.query('UPDATE outbox SET sent_at = now() WHERE id = $1', [message])
  }
}

await outbox.ensureSchema()
say('elected', { fencingToken: Date.now() })
say('standing')
for (;;) {
  await sendAll(Date.now())
  await new Promise((resolve) => setTimeout(resolve, 50))
}
