/**
 * Draws the faults of a seed. Swarm testing (Groce and others, 2012): every seed has its own subset of the kinds of
 * fault, and its own intensities. Each kind has a stream of chance of its own.
 */

import { Chance } from './chance.ts'
import { type Fault, listenedEvents, listenerNatures, workNatures } from './faults.ts'
import type { Plan } from './plan.ts'

type Draw = (chance: Chance, plan: Plan) => Fault

const spell = (chance: Chance, plan: Plan, mostTtls: number): { at: number; forMs: number } => {
  const at = Math.round(chance.between(0, plan.horizonMs * 0.9))
  const forMs = Math.round(Math.min(plan.horizonMs - at, plan.timing.ttlMs * mostTtls * chance.next() ** 2))
  return { at, forMs: Math.max(1, forMs) }
}
const host = (chance: Chance, plan: Plan): number => chance.below(plan.hosts)
/** Or the process that only observes, which is the one after the last. */
const anybody = (chance: Chance, plan: Plan): number => chance.below(plan.hosts + 1)
const slot = (chance: Chance, plan: Plan): number => chance.below(plan.hosts * plan.elections)
const instant = (chance: Chance, plan: Plan): { at: number } => ({ at: Math.round(chance.between(0, plan.horizonMs)) })
const whole = (low: number, high: number, chance: Chance): number => Math.round(chance.between(low, high))

/** Each kind with the most of its kind that one seed may have. */
export const kinds: Record<Fault['kind'], readonly [most: number, draw: Draw]> = {
  noise: [
    4,
    (c, p) => ({
      kind: 'noise',
      host: c.hit(0.3) ? -1 : anybody(c, p),
      lose: c.next() ** 2 * 0.6,
      loseAnswers: c.next() ** 2 * 0.6,
      double: c.next() ** 2 * 0.5,
      slowMs: Math.round(p.timing.ttlMs * 0.6 * c.next() ** 4),
      ...spell(c, p, 6),
    }),
  ],
  cut: [4, (c, p) => ({ kind: 'cut', host: anybody(c, p), ...c.pick(ways), held: c.hit(0.5), ...spell(c, p, 3) })],
  outage: [2, (c, p) => ({ kind: 'outage', silent: c.hit(0.5), ...spell(c, p, 4) })],
  stall: [2, (c, p) => ({ kind: 'stall', frozen: c.hit(0.3), ...spell(c, p, 2) })],
  restart: [2, (c, p) => ({ kind: 'restart', lost: c.pick([0, 0, 1 + c.below(4), 'all']), ...spell(c, p, 1) })],
  failover: [1, (c, p) => ({ kind: 'failover', lost: c.below(6), shift: c.between(-0.8, 0.8), ...spell(c, p, 1) })],
  slow: [3, (c, p) => ({ kind: 'slow', ms: whole(1, p.timing.ttlMs * 0.4, c), ...spell(c, p, 3) })],
  stale: [2, (c, p) => ({ kind: 'stale', ms: whole(1, p.timing.ttlMs * 2, c), ...spell(c, p, 3) })],
  // Sometimes from the very first.
  refuse: [
    2,
    (c, p) => ({ kind: 'refuse', code: c.pick(['store-denied', 'store-unfit']), ...spell(c, p, 1), ...(c.hit(0.2) && { at: 0 }) }),
  ],
  pause: [6, (c, p) => ({ kind: 'pause', host: anybody(c, p), ...spell(c, p, 2.5) })],
  suspend: [3, (c, p) => ({ kind: 'suspend', host: anybody(c, p), ...spell(c, p, 4) })],
  freeze: [1, (c, p) => ({ kind: 'freeze', host: anybody(c, p), ...spell(c, p, 4) })],
  crash: [3, (c, p) => ({ kind: 'crash', host: host(c, p), ...spell(c, p, 2) })],
  stop: [4, (c, p) => ({ kind: 'stop', slot: slot(c, p), during: c.pick(moments), twice: c.hit(0.3), ...spell(c, p, 1) })],
  'step-wall': [
    3,
    (c, p) => ({ kind: 'step-wall', host: anybody(c, p), ms: whole(-1, 1, c) * c.pick([50, 20_000, 3_600_000]), ...instant(c, p) }),
  ],
  'step-store': [1, (c, p) => ({ kind: 'step-store', ms: c.pick([-3_600_000, -700, 900, 3_600_000]), ...instant(c, p) })],
  'step-down': [4, (c, p) => ({ kind: 'step-down', slot: slot(c, p), cooldownMs: whole(0, p.timing.ttlMs, c), ...instant(c, p) })],
  delete: [2, (c, p) => ({ kind: 'delete', election: c.below(p.elections), ...instant(c, p) })],
  preempt: [2, (c, p) => ({ kind: 'preempt', election: c.below(p.elections), ...instant(c, p) })],
  kill: [2, (c, p) => ({ kind: 'kill', host: anybody(c, p), ...instant(c, p) })],
  unwatch: [3, (c, p) => ({ kind: 'unwatch', host: anybody(c, p), told: c.hit(0.6), ...instant(c, p) })],
  nudge: [3, (c, p) => ({ kind: 'nudge', host: anybody(c, p), times: 1 + c.below(3), ...instant(c, p) })],
  'no-work': [1, (c, p) => ({ kind: 'no-work', slot: c.hit(0.5) ? -1 : slot(c, p) })],
  work: [
    3,
    (c, p) => ({ kind: 'work', slot: slot(c, p), nature: c.pick(workNatures), ms: whole(0, p.timing.ttlMs * c.pick([0.5, 4]), c) }),
  ],
  listener: [
    3,
    (c, p) => ({
      kind: 'listener',
      slot: slot(c, p),
      event: c.hit(0.2) ? 'elected' : c.pick(listenedEvents),
      nature: c.pick(listenerNatures),
      ms: whole(0, p.timing.ttlMs * 2, c),
    }),
  ],
}

interface Ways {
  readonly up: boolean
  readonly down: boolean
}
const ways: readonly [Ways, ...Ways[]] = [
  { up: true, down: true },
  { up: true, down: false },
  { up: false, down: true },
]
const moments = ['whatever', 'whatever', 'whatever', 'acquire', 'acquire', 'renew', 'release'] as const

/** Kinds that have a meaning only under some profiles. */
const only: Partial<Record<Fault['kind'], readonly Plan['profile'][]>> = {
  kill: ['session', 'connection'],
  'step-store': ['clock'],
  failover: ['clock', 'session', 'connection'],
}

export function drawFaults(plan: Plan): readonly Fault[] {
  const faults: Fault[] = []
  for (const [kind, [most, draw]] of Object.entries(kinds)) {
    const chance = new Chance(plan.seed, `fault:${kind}`)
    const fits = only[kind as Fault['kind']]?.includes(plan.profile) ?? true
    if (!fits || !chance.hit(kind === 'freeze' ? 0.1 : 0.35)) continue
    const count = 1 + chance.below(most)
    for (let i = 0; i < count; i++) faults.push(draw(chance, plan))
  }
  return faults.filter((fault) => bearable(fault, faults)).map((fault) => (plan.grid ? onGrid(fault) : fault))
}

/**
 * What no lease can survive is not asked of it: both clocks of a machine wrong at once, or a store whose clock goes
 * back, or stands still, while its records vanish.
 */
function bearable(fault: Fault, all: readonly Fault[]): boolean {
  const { kind } = fault
  if (kind === 'step-wall' && fault.ms < 0) return !all.some((other) => other.kind === 'suspend' && other.host === fault.host)
  if ((kind === 'step-store' && fault.ms < 0) || (kind === 'stall' && fault.frozen)) return !all.some(vanishes)
  return true
}

function vanishes(fault: Fault): boolean {
  return fault.kind === 'delete' || fault.kind === 'failover' || (fault.kind === 'restart' && fault.lost !== 0)
}

/** Fast answers only: in the grid it is the equal instants that count. */
function onGrid(fault: Fault): Fault {
  return fault.kind === 'noise' ? { ...fault, slowMs: Math.min(fault.slowMs, 40) } : fault
}
