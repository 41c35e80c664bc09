/**
 * Counts the states that are hard to reach. Each of them must be reached sometimes in a batch of seeds: a simulator
 * that has stopped reaching a state proves nothing about it any more.
 */

import type { Cluster } from './cluster.ts'
import { kinds } from './draw.ts'
import { script } from './episodes/index.ts'
import { listenerNatures, workNatures } from './faults.ts'
import type { Member } from './member.ts'
import { type Plan, profiles } from './plan.ts'
import type { Checker, StoreCall } from './witness.ts'
import type { World } from './world.ts'

/** What a batch of two thousand seeds, of all profiles, has to have seen. */
export const sometimes: readonly string[] = [
  ...profiles.map((profile) => `profile:${profile}`),
  ...['grid', 'no margin', 'worst clocks', 'deaf store', 'equal ids', 'one session, many elections'],
  // Quirks are counted when they show, not when they are drawn.
  ...Object.keys(kinds).map((kind) => (isQuirk(kind) ? '' : `fault:${kind}`)),
  ...workNatures.map((nature) => `work:${nature}`),
  ...listenerNatures.map((nature) => `listener:${nature}`),
  ...Object.keys(script).map((name) => `played:${name}`),
  ...['stepped-down', 'stopped', 'completed', 'work-failed', 'expired', 'superseded'].map((why) => `deposed:${why}`),
  ...['listener-failed', 'store-denied', 'store-unfit', 'work-failed', 'work-overran'].map((code) => `trouble:${code}`),
  ...['acquire', 'renew', 'release'].map((verb) => `stopDuring:${verb}`),
  ...['acquire', 'renew', 'release', 'read'].map((verb) => `timeout:${verb}`),
  // A bid that won late, and what became of it.
  ...['adopted', 'bidRefusedLate', 'lateWon', 'neverWorn', 'lostAcquireAdopted', 'lostAcquireLapsed', 'releaseAside'],
  ...['lateNo', 'lateRenewal', 'drainRenewed', 'cooledLook', 'claimed'],
  ...['lostRequest', 'lostAnswer', 'doubled', 'backlog', 'deferred', 'blockedInTurn'],
  ...['lostCommit', 'lostAll', 'slowCommit', 'stalled', 'watchLost', 'startRefused', 'writeRefused', 'observeRefused'],
].filter((what) => what !== '')

function isQuirk(kind: string): boolean {
  return kind === 'work' || kind === 'listener' || kind === 'no-work'
}

/** What a plan is, for the same count. */
export function countPlan(world: World, plan: Plan): void {
  const { profile, grid, timing, skew, deaf, equalIds, elections, hosts } = plan
  const facts: Record<string, boolean> = {
    [`profile:${profile}`]: true,
    grid,
    'no margin': timing.marginMs === 0,
    'worst clocks': skew === 'worst',
    'deaf store': deaf,
    'equal ids': equalIds && hosts > 1,
    'one session, many elections': profile === 'session' && elections > 1,
  }
  for (const [what, so] of Object.entries(facts)) if (so) world.count(what)
}

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
