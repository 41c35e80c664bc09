/** The store as one candidate gets it, with every call seen by the witness. It changes neither calls nor answers. */

import type { Lease, LeaseStore } from '../src/store.ts'
import type { Member } from './member.ts'
import type { StoreCall } from './witness.ts'

export function tapped(member: Member, store: LeaseStore): LeaseStore {
  const begin = (verb: StoreCall['verb'], holder: string, signal: AbortSignal) => callOf(member, verb, holder, signal)
  return {
    ...store,
    acquire: (bid, signal) => tap(begin('acquire', bid.holder, signal), store.acquire(bid, signal), leaseHeard),
    renew: (bid, signal) => tap(begin('renew', bid.holder, signal), store.renew(bid, signal), grantHeard),
    release: (hold, signal) => tap(begin('release', hold.holder, signal), store.release(hold, signal), () => {}),
    read: (election, signal) => tap(begin('read', '', signal), store.read(election, signal), leaseHeard),
  }
}

function callOf(member: Member, verb: StoreCall['verb'], holder: string, signal: AbortSignal): StoreCall {
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
    rivalMs: undefined,
  }
}

function leaseHeard(call: StoreCall, lease: Lease | undefined): void {
  if (!lease || lease.remainingMs <= 0) return
  if (lease.holder !== call.holder) call.rivalMs = lease.remainingMs
  else if (call.verb === 'acquire') call.granted = lease.remainingMs
}

function grantHeard(call: StoreCall, ms: number): void {
  call.granted = ms
}

function tap<T>(call: StoreCall, answer: Promise<T>, heard: (call: StoreCall, value: T) => void): Promise<T> {
  const { member } = call
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
      heard(call, value)
      settle('resolved')
      return value
    },
    (thrown: unknown) => {
      settle('rejected')
      throw thrown
    },
  )
}
