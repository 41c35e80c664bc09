/**
 * Takes messages in, each once. A leader that dies between sending and marking leaves the next one no choice but to send
 * again, so that a receiver has to know what it has. Here both memories end with the process; where the effect is a
 * write, keep the token and the id beside it, in its transaction.
 */

import { createServer, type Server } from 'node:http'
// In your project: 'tenure'.
import { Fence } from '../../src/index.ts'

export type Answer = 'accepted' | 'repeated' | 'stale'

export interface Offer {
  readonly id: number
  readonly fencingToken: number
  readonly text: string
}

/** Listen on loopback; `heard` is told of every message that was offered, and how it was answered. */
export function startReceiver(port: number, heard: (offer: Offer, answer: Answer) => unknown): Promise<Server> {
  const fence = new Fence()
  const known = new Set<number>()

  const take = ({ id, fencingToken }: Offer): Answer => {
    if (!fence.admits(fencingToken)) return 'stale'
    if (known.has(id)) return 'repeated'
    known.add(id)
    return 'accepted'
  }

  const server = createServer(async (request, response) => {
    try {
      let text = ''
      for await (const chunk of request) text += chunk
      const offer = { id: Number(request.headers['message-id']), fencingToken: Number(request.headers['fencing-token']), text }
      const answer = take(offer)
      await heard(offer, answer)
      // What is known already is as good as accepted: the sender only has to know that it arrived.
      response.writeHead(answer === 'stale' ? 409 : 200).end(answer)
    } catch {
      response.writeHead(400).end()
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
