/** The store as one candidate gets it, with every call seen by the witness. It changes neither calls nor answers. */

import type { LeaseStore } from '../src/store.ts'
import type { Member } from './member.ts'
import type { StoreCall } from './witness.ts'

export function tapped(member: Member, store: LeaseStore): LeaseStore {
  return {
    ...store,
    acquire: (bid, signal) =>
      tap(member, call(member, 'acquire', bid.holder, signal), store.acquire(bid, signal), (lease) =>
        lease?.holder === bid.holder && lease.remainingMs > 0 ? lease.remainingMs : undefined,
      ),
    renew: (bid, signal) => tap(member, call(member, 'renew', bid.holder, signal), store.renew(bid, signal), (ms) => ms),
    release: (hold, signal) => tap(member, call(member, 'release', hold.holder, signal), store.release(hold, signal), () => undefined),
    read: (election, signal) => tap(member, call(member, 'read', '', signal), store.read(election, signal), () => undefined),
  }
}

function call(member: Member, verb: StoreCall['verb'], holder: string, signal: AbortSignal): StoreCall {
  return {
    member,
    verb,
    holder,
    sentMono: member.clock.mono(),
    blockedBefore: member.host.blockedMs,
    signal,
    leftMs: verb === 'renew' && member.latest ? member.leftMs(member.latest) : undefined,
    exact: !member.host.blocked,
    givenUp: false,
    outcome: 'pending',
    granted: undefined,
  }
}

function tap<T>(member: Member, call: StoreCall, answer: Promise<T>, grantedOf: (value: T) => number | undefined): Promise<T> {
  const { witness, world } = member.cluster
  member.inFlight.add(call)
  member.calls += 1
  witness.tell('called', call)
  member.sent(call.verb)
  const settle = (outcome: 'resolved' | 'rejected') => {
    call.outcome = outcome
    member.inFlight.delete(call)
    world.note(member.name, `${call.verb} ${outcome}`, call.holder.slice(-8))
    witness.tell('answered', call)
  }
  return answer.then(
    (value) => {
      call.granted = grantedOf(value)
      settle('resolved')
      return value
    },
    (thrown: unknown) => {
      settle('rejected')
      throw thrown
    },
  )
}
