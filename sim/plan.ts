/**
 * What a seed stands for: the cluster, its settings, and a list of faults and quirks, complete before the first event.
 * The list can be shortened by hand or by `shrink.ts` without changing what is left of it.
 */

import { Chance } from './chance.ts'
import { drawFaults } from './draw.ts'
import type { Fault } from './faults.ts'

/** How the store keeps leases; see `stores/server.ts`. */
export type Profile = 'clock' | 'observed' | 'session' | 'connection'

export const profiles: readonly [Profile, ...Profile[]] = ['clock', 'observed', 'session', 'connection']

/** Durations of the candidates; what is missing is left to the library. */
export interface PlannedTiming {
  readonly ttlMs: number
  readonly drift: number
  readonly marginMs?: number
  readonly renewMs?: number
  readonly callMs?: number
  readonly retryMs?: number
  readonly drainMs?: number
}

export interface Plan {
  readonly seed: number
  readonly profile: Profile
  /** Whole milliseconds, exact clocks, no margin: equal instants, which real time hides, become common. */
  readonly grid: boolean
  readonly hosts: number
  readonly elections: number
  readonly timing: PlannedTiming
  readonly horizonMs: number
  readonly latencyMs: number
  readonly jitterMs: number
  /** How wrong the clocks run, as a share of the drift that is allowed. */
  readonly skew: 'none' | 'some' | 'worst'
  /** The store does not hear that a call was given up, and answers late. */
  readonly deaf: boolean
  readonly watch: 'none' | 'good' | 'releases' | 'silent'
  /** Somebody asks `isLeader` after every so many turns; 0: nobody ever does. */
  readonly askEvery: number
  /** After a pause, what waited for all else may come before it. */
  readonly sloppy: boolean
  readonly equalIds: boolean
  /** Candidates have a logger, which is told of everything. */
  readonly logged: boolean
  readonly faults: readonly Fault[]
}

export function planOf(seed: number, profile?: Profile): Plan {
  const chance = new Chance(seed, 'plan')
  const drawn = chance.pick(profiles)
  const grid = chance.hit(1 / 6)
  const timing = drawTiming(new Chance(seed, 'timing'), grid)
  const hosts = chance.pick([1, 2, 2, 3, 3, 3, 4, 5])
  const base: Plan = {
    seed,
    profile: profile ?? drawn,
    grid,
    hosts,
    elections: hosts > 3 ? 1 : chance.pick([1, 1, 1, 2, 3]),
    timing,
    horizonMs: Math.round(timing.ttlMs * chance.between(7, 13)),
    latencyMs: grid ? 0 : chance.between(0.1, 5),
    jitterMs: grid ? 2 : chance.between(0.1, 5),
    skew: grid ? 'none' : chance.pick(['none', 'some', 'worst', 'worst']),
    deaf: chance.hit(0.5),
    watch: chance.pick(['none', 'good', 'good', 'releases', 'silent']),
    askEvery: chance.pick([0, 0, 1, 7]),
    sloppy: chance.hit(0.2),
    equalIds: chance.hit(0.15),
    logged: chance.hit(0.1),
    faults: [],
  }
  return { ...base, faults: drawFaults(base) }
}

function drawTiming(chance: Chance, grid: boolean): PlannedTiming {
  // A multiple of 240, so that thirds, sixths and thirtieths of it, jittered by quarters, stay whole.
  if (grid) return { ttlMs: 240 * (6 + chance.below(40)), drift: 0, marginMs: 0 }
  const ttlMs = Math.round(2000 * 20 ** chance.next())
  const drift = chance.pick([0, 0.005, 0.005, 0.02, 0.05])
  // The margin hides faults of the deadline: a third of all seeds go without.
  const marginMs = chance.pick([0, Math.floor(ttlMs / 5), Math.floor(ttlMs * chance.between(0, 0.3))])
  const retryMs = Math.round(ttlMs * chance.between(0.1, 1.5))
  const drainMs = chance.pick([ttlMs, ttlMs * 2, ttlMs * 5, Number.POSITIVE_INFINITY])
  if (chance.hit(0.5)) return { ttlMs, drift, marginMs }
  const deadline = ttlMs * (1 - 2 * drift) - marginMs
  const renewMs = Math.floor(deadline * chance.between(0.2, 0.6))
  const callMs = Math.max(80, Math.floor(Math.min(renewMs, (deadline - renewMs) * 0.95) * chance.between(0.3, 1)))
  return { ttlMs, drift, marginMs, renewMs, callMs, retryMs, drainMs }
}
