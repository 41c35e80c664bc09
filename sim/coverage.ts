/**
 * Counts the states that are hard to reach. Each of them must be reached sometimes in a batch of seeds: a simulator
 * that has stopped reaching a state proves nothing about it any more.
 */

import type { Cluster } from './cluster.ts'
import type { Member } from './member.ts'
import type { Checker, StoreCall } from './witness.ts'

/** What a batch of two thousand seeds, of all profiles, has to have seen. */
export const sometimes: readonly string[] = [
  'adopted',
  'backlog',
  'bidRefusedLate',
  'blockedInTurn',
  'claimed',
  'cooledLook',
  'deferred',
  'deposed:completed',
  'deposed:expired',
  'deposed:stepped-down',
  'deposed:stopped',
  'deposed:superseded',
  'deposed:work-failed',
  'doubled',
  'drainRenewed',
  'lateNo',
  'lateRenewal',
  'lateWin',
  'lateWon',
  'lostAcquireAdopted',
  'lostAcquireLapsed',
  'lostAnswer',
  'lostCommit',
  'lostRequest',
  'neverWorn',
  'releaseAside',
  'slowCommit',
  'startRefused',
  'stopInAcquire',
  'timeout:acquire',
  'timeout:read',
  'timeout:release',
  'timeout:renew',
  'trouble:listener-failed',
  'trouble:store-denied',
  'trouble:store-unfit',
  'trouble:work-failed',
  'trouble:work-overran',
  'watchLost',
  'writeRefused',
]

export function missing(counts: ReadonlyMap<string, number>): readonly string[] {
  return sometimes.filter((what) => !counts.get(what))
}

export function counting({ world }: Cluster): Checker {
  const asked = new Set<string>()
  const tokens = new Map<string, number>()
  const renewing = new Map<Member, boolean>()
  const late = (call: StoreCall): void => {
    if (call.verb === 'acquire') world.count(call.granted === undefined ? 'bidRefusedLate' : 'lateWon')
    if (call.verb === 'renew') world.count(call.granted === 0 ? 'lateNo' : 'lateRenewal')
  }
  return {
    committed({ after }) {
      tokens.set(after.holder, after.fencingToken)
    },
    called(call) {
      const { member, verb, holder } = call
      if (verb === 'read') world.count('cooledLook')
      if (verb === 'release' && [...member.inFlight].some((other) => other !== call)) world.count('releaseAside')
      const token = tokens.get(holder)
      if (verb === 'release' && token !== undefined && token !== member.latest?.fencingToken) world.count('neverWorn')
      if (verb === 'acquire' && asked.has(holder)) renewing.set(member, true)
      else if (verb === 'acquire') renewing.set(member, false)
      if (verb === 'acquire') asked.add(holder)
    },
    answered(call) {
      const { member, verb, granted, outcome, signal } = call
      if (signal.aborted) world.count(`timeout:${verb}`)
      if (outcome !== 'resolved') return
      if (signal.aborted) late(call)
      if (verb === 'acquire' && granted !== undefined && renewing.get(member)) world.count('adopted')
      if (verb === 'renew' && granted && !member.tenure) world.count('drainRenewed')
    },
    claimed() {
      world.count('claimed')
    },
  }
}
