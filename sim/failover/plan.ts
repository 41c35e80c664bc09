/** What happens in one world, drawn from its seed: who takes part, how long things take, and what goes wrong when. */

import { Chance } from '../chance.ts'

export type FaultKind =
  | 'cut-arbiter'
  | 'lose-answers'
  | 'cut-bus'
  | 'mute'
  | 'deaf'
  | 'slow-bus'
  | 'bus-down'
  | 'freeze'
  | 'crash'
  | 'stop'
  | 'step-down'
  | 'disable'
  | 'fail-promotions'
  | 'slow-work'
  | 'stuck-work'
  | 'lie'

export interface Fault {
  readonly kind: FaultKind
  /** Whom it befalls; everybody for -1. */
  readonly node: number
  readonly at: number
  readonly forMs: number
}

export interface Plan {
  readonly seed: number
  readonly nodes: number
  readonly ttlMs: number
  readonly heartbeatMs: number
  readonly silenceMs: number
  readonly drift: number
  /** Whether the arbiter tells of a release by itself. */
  readonly watched: boolean
  /** Whether the bus tells of closed channels. */
  readonly tellsEnds: boolean
  readonly probes: boolean
  /** The longest way to the arbiter, and over the bus, in peace. */
  readonly wayMs: number
  readonly horizonMs: number
  readonly faults: readonly Fault[]
  /** There has to be exactly one primary at this instant, in spite of what has failed. */
  readonly primaryAt?: number
}

const kinds: readonly [FaultKind, ...FaultKind[]] = [
  'cut-arbiter',
  'cut-arbiter',
  'lose-answers',
  'cut-bus',
  'cut-bus',
  'mute',
  'deaf',
  'slow-bus',
  'slow-bus',
  'bus-down',
  'freeze',
  'crash',
  'stop',
  'step-down',
  'disable',
  'fail-promotions',
  'slow-work',
  'stuck-work',
  'lie',
]

export function planOf(seed: number): Plan {
  const chance = new Chance(seed, 'plan')
  const nodes = chance.pick([2, 2, 3, 3, 4])
  const ttlMs = chance.pick([1000, 3000, 15_000])
  const heartbeatMs = Math.round(ttlMs * chance.pick([0.1, 0.33, 1]))
  const horizonMs = ttlMs * 15
  const faults = Array.from({ length: chance.below(20) }, (_, i) => {
    const own = new Chance(seed, `fault:${i}`)
    const kind = own.pick(kinds)
    const forMs = Math.round(ttlMs * own.pick([0.1, 0.5, 1, 2, 5]) * own.between(0.5, 1.5))
    return { kind, node: own.hit(0.15) ? -1 : own.below(nodes), at: Math.round(own.between(0, horizonMs * 0.98)), forMs }
  })
  return {
    seed,
    nodes,
    ttlMs,
    heartbeatMs,
    silenceMs: Math.round(heartbeatMs * chance.between(1.5, 4)),
    drift: 0.005,
    watched: chance.hit(0.5),
    tellsEnds: chance.hit(0.5),
    probes: chance.hit(0.3),
    wayMs: chance.pick([0.2, 2, 0.01 * ttlMs]),
    horizonMs,
    faults: faults.sort((a, b) => a.at - b.at),
  }
}

/** Every way to cut three instances from the arbiter and from the bus. */
export const PARTITIONS = 64

/** One of them, for five ttl. Who reaches the arbiter is primary, whatever becomes of the bus. */
export function partitionOf(number: number): Plan {
  const ttlMs = 3000
  const [at, forMs] = [5 * ttlMs, 5 * ttlMs]
  const cuts = (bits: number, kind: FaultKind): Fault[] =>
    [0, 1, 2].filter((node) => bits & (1 << node)).map((node) => ({ kind, node, at, forMs }))
  const [arbiter, bus] = [number & 7, number >> 3]
  return {
    seed: 1_000_000 + number,
    nodes: 3,
    ttlMs,
    heartbeatMs: 1000,
    silenceMs: 3000,
    drift: 0.005,
    watched: number % 2 === 0,
    tellsEnds: false,
    probes: false,
    wayMs: 2,
    horizonMs: 9.9 * ttlMs,
    faults: [...cuts(arbiter, 'cut-arbiter'), ...cuts(bus, 'cut-bus')],
    ...(arbiter !== 7 && { primaryAt: at + 3 * ttlMs }),
  }
}
