/**
 * Carries questions to the server and brings the answers back. Every request is a message, and so is every answer;
 * either may be lost, late, doubled or overtaken. It may know nothing that the server did not tell it.
 */

import type { Network } from '../network.ts'
import type { Plan } from '../plan.ts'
import type { Host } from '../process.ts'
import type { World } from '../world.ts'
import type { Answer, Request, Server } from './server.ts'

export interface Parts {
  readonly world: World
  readonly plan: Plan
  readonly network: Network
  readonly server: Server
  readonly host: Host
}

export type Question = Omit<Request, 'host' | 'session'>
export type Ask = (question: Question, signal: AbortSignal) => Promise<Exclude<Answer, { type: 'error' }>>

export function asking(parts: Parts): Ask {
  const { world, plan, network, server, host } = parts
  let connection = 0

  const send = (question: Question, heard: (answer: Answer) => void): void => {
    const { verb, purpose, election, holder } = question
    const used = connection
    const session = plan.profile === 'connection' ? `${host.name}#${used}` : host.name
    const request: Request = { ...question, host, session }
    const label = `${verb === purpose ? verb : `${purpose}/${verb}`} ${election} ${holder.slice(-8)}`
    const answered = (answer: Answer) => {
      if (answer.type !== 'error' || !answer.closed) return heard(answer)
      // The connection is gone, and what hung on it: asked again on a new one.
      if (used === connection) connection += 1
      send(question, heard)
    }
    const reply = (answer: Answer) => {
      const about = { purpose, election, granted: grants(answer, holder) }
      network.carry({ host, way: 'down', label, about, deliver: () => host.deliver(() => answered(answer)) })
    }
    const deliver = () => {
      world.note(host.name, 'asks', label)
      server.handle(request, reply)
    }
    network.carry({ host, way: 'up', label, about: { purpose, election, granted: false }, deliver })
  }

  return (question, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      // A deaf store goes on waiting for its answer, as drivers do.
      if (!plan.deaf) signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      send(question, (answer) => (answer.type === 'error' ? reject(answer.error) : resolve(answer)))
    })
}

/** Whether an answer gives the lease to the holder that asked. */
function grants(answer: Answer, holder: string): boolean {
  if (answer.type === 'lease') return answer.lease?.holder === holder
  return answer.type === 'put' && answer.version !== undefined
}
