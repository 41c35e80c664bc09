/**
 * The client side of the simulated store: what a candidate gets as its `LeaseStore`. It may know nothing that its server
 * did not tell it.
 */

import { TenureError } from '../../src/index.ts'
import type { Bid, Lease, LeaseStore } from '../../src/store.ts'
import type { Plan } from '../plan.ts'
import { observing } from './observed.ts'
import type { Answer } from './server.ts'
import { type Ask, asking, type Parts, type Question } from './wire.ts'

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
  const question = (verb: 'acquire' | 'renew', { election, holder, candidate, advert, ttlMs }: Bid): Question => {
    return { verb, purpose: verb, election, holder, candidate, advert, ttlMs }
  }
  return {
    acquire: async (bid, signal) => leaseIn(await ask(question('acquire', bid), signal)),
    async renew(bid, signal) {
      const answer = await ask(question('renew', bid), signal)
      return answer.type === 'granted' ? answer.ms : Number.NaN
    },
    async release({ election, holder }, signal) {
      await ask({ verb: 'release', purpose: 'release', election, holder, candidate: '', advert: undefined, ttlMs }, signal)
    },
    async read(election, signal) {
      return leaseIn(await ask({ verb: 'read', purpose: 'read', election, holder: '', candidate: '', advert: undefined, ttlMs }, signal))
    },
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
    const arrived = () => {
      if (signal.aborted) return
      if (server.serving) server.watchers.add(watcher)
      else host.deliver(watcher.lost)
    }
    network.carry({ host, way: 'up', label: 'watch', deliver: arrived })
  })
}
