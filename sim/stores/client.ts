/**
 * The client side of the simulated store: what a candidate gets as its `LeaseStore`. Every request is a message, and so
 * is every answer; either may be lost, late, doubled or overtaken. It may know nothing that its server did not tell it.
 */

import { TenureError } from '../../src/index.ts'
import type { Bid, Lease, LeaseStore } from '../../src/store.ts'
import type { Network } from '../network.ts'
import type { Plan } from '../plan.ts'
import type { Host } from '../process.ts'
import type { World } from '../world.ts'
import { observing } from './observed.ts'
import type { Answer, Request, Server } from './server.ts'

export interface Parts {
  readonly world: World
  readonly plan: Plan
  readonly network: Network
  readonly server: Server
  readonly host: Host
}

/** What is asked, and for the sake of what: an observer needs several questions for one verb. */
export type Question = Omit<Request, 'host' | 'session'> & { readonly purpose: 'acquire' | 'renew' | 'release' | 'read' }
export type Ask = (question: Question, signal: AbortSignal) => Promise<Exclude<Answer, { type: 'error' }>>

export interface Client {
  readonly store: LeaseStore
  /** How many watches are in place on this side. */
  readonly watches: () => number
}

export function makeClient(parts: Parts): Client {
  const ask = asking(parts)
  const { plan } = parts
  let watches = 0
  const verbs = plan.profile === 'observed' ? observing(ask, parts) : leasing(ask, plan)
  const store: LeaseStore = {
    name: 'sim',
    expiry: plan.profile === 'observed' ? 'observed' : 'clock',
    ...verbs,
    ...(plan.watch !== 'none' && {
      watch: (election: string, changed: () => void, signal: AbortSignal) => {
        watches += 1
        return watching(parts, election, changed, signal).finally(() => {
          watches -= 1
        })
      },
    }),
  }
  return { store, watches: () => watches }
}

type Verbs = Pick<LeaseStore, 'acquire' | 'renew' | 'release' | 'read'>

/** The server knows leases: one message each. */
function leasing(ask: Ask, plan: Plan): Verbs {
  const { ttlMs } = plan.timing
  const leaseIn = (answer: Answer): Lease | undefined => (answer.type === 'lease' ? answer.lease : undefined)
  const question = (verb: 'acquire' | 'renew', bid: Bid): Question => ({ ...bid, verb, purpose: verb })
  return {
    acquire: async (bid, signal) => leaseIn(await ask(question('acquire', bid), signal)),
    async renew(bid, signal) {
      const answer = await ask(question('renew', bid), signal)
      return answer.type === 'granted' ? answer.ms : Number.NaN
    },
    async release(hold, signal) {
      await ask({ ...hold, verb: 'release', purpose: 'release', candidate: '', ttlMs }, signal)
    },
    async read(election, signal) {
      return leaseIn(await ask({ verb: 'read', purpose: 'read', election, holder: '', candidate: '', ttlMs }, signal))
    },
  }
}

function asking(parts: Parts): Ask {
  const { world, plan, network, server, host } = parts
  let connection = 0

  const send = (question: Question, heard: (answer: Answer) => void): void => {
    const { verb, purpose, election, holder } = question
    const used = connection
    const session = plan.profile === 'connection' ? `${host.name}#${used}` : host.name
    const label = `${verb === purpose ? verb : `${purpose}/${verb}`} ${election} ${holder.slice(-8)}`
    const about = { purpose, election, granted: false }
    const arrived = (answer: Answer) => {
      if (answer.type !== 'error' || !answer.closed) return heard(answer)
      // The connection is gone, and what hung on it: asked again on a new one.
      if (used === connection) connection += 1
      send(question, heard)
    }
    network.carry(host, 'up', label, about, () => {
      world.note(host.name, 'asks', label)
      server.handle({ ...question, host, session }, (answer) => {
        const granted = answer.type === 'lease' ? answer.lease?.holder === holder : verb === 'put' && told(answer) === 'written'
        network.carry(host, 'down', `${label} -> ${told(answer)}`, { ...about, granted }, () => host.deliver(() => arrived(answer)))
      })
    })
  }

  return (question, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      // A deaf store goes on waiting for its answer, as drivers do.
      if (!plan.deaf) signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      send(question, (answer) => (answer.type === 'error' ? reject(answer.error) : resolve(answer)))
    })
}

function told(answer: Answer): string {
  switch (answer.type) {
    case 'lease':
      return answer.lease ? `${answer.lease.holder.slice(-8)} ${Math.round(answer.lease.remainingMs)} ms` : 'free'
    case 'granted':
      return `${Math.round(answer.ms)} ms`
    case 'put':
      return answer.version === undefined ? 'conflict' : 'written'
    case 'row':
      return answer.row?.freed === false ? answer.row.holder.slice(-8) : 'free'
    case 'done':
      return 'done'
    case 'error':
      return answer.error.message
    default:
      return answer satisfies never
  }
}

function watching(parts: Parts, election: string, changed: () => void, signal: AbortSignal): Promise<void> {
  const { world, network, server, host } = parts
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve()
    const watcher = {
      host,
      election,
      changed: () => {
        world.count('nudged')
        changed()
      },
      lost: () => reject(new TenureError('store-unreachable', 'sim: the watch was lost')),
    }
    signal.addEventListener(
      'abort',
      () => {
        server.watchers.remove(watcher)
        resolve()
      },
      { once: true },
    )
    network.carry(host, 'up', 'watch', undefined, () => {
      if (signal.aborted) return
      if (server.outage !== undefined) host.deliver(watcher.lost)
      else server.watchers.add(watcher)
    })
  })
}
