/**
 * Everything that can go wrong, as data: faults of the network, the store, the clocks and the processes, and quirks of
 * the user's own code. `injector.ts` makes them happen.
 */

import { Chance } from './chance.ts'
import type { Plan } from './plan.ts'

/** `host` is the number of a process, `slot` that of a candidate; -1 means all of them. */
export type Fault = Spell | Blow | Quirk

/** Lasts for a while. */
export type Spell = { readonly at: number; readonly forMs: number } & (
  | {
      readonly kind: 'noise'
      readonly host: number
      readonly lose: number
      readonly loseAnswers: number
      readonly double: number
      readonly slowMs: number
    }
  /** The network takes messages in the directions named and, if `held`, delivers them when it heals. */
  | { readonly kind: 'cut'; readonly host: number; readonly up: boolean; readonly down: boolean; readonly held: boolean }
  | { readonly kind: 'outage'; readonly silent: boolean }
  /** The store restarts; the last so many commits are lost (Level B). */
  | { readonly kind: 'restart'; readonly lost: number }
  /** A write is evaluated at once and visible so much later. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Reads see the past. */
  | { readonly kind: 'stale'; readonly ms: number }
  | { readonly kind: 'refuse'; readonly code: 'store-denied' | 'store-unfit' }
  /** The event loop is blocked. */
  | { readonly kind: 'pause'; readonly host: number }
  /** The machine sleeps: the monotonic clock stands still, the wall clock goes on. */
  | { readonly kind: 'suspend'; readonly host: number }
  /** All clocks of the process stand still: undetectable, only fencing helps. */
  | { readonly kind: 'freeze'; readonly host: number }
  /** Killed, and started again with the same ids. */
  | { readonly kind: 'crash'; readonly host: number }
  /** `stop()`, and `start()` again; `inAcquire`: stopped while an acquire is in the air. */
  | { readonly kind: 'stop'; readonly slot: number; readonly inAcquire: boolean; readonly twice: boolean }
)

/** Happens once. */
export type Blow = { readonly at: number } & (
  | { readonly kind: 'step-wall'; readonly host: number; readonly ms: number }
  | { readonly kind: 'step-store'; readonly ms: number }
  | { readonly kind: 'step-down'; readonly slot: number; readonly cooldownMs: number }
  /** An operator deletes the record. */
  | { readonly kind: 'delete'; readonly election: number }
  /** An operator gives the lease to somebody else. */
  | { readonly kind: 'preempt'; readonly election: number }
  /** The session, or the connection, of a process dies. */
  | { readonly kind: 'kill'; readonly host: number }
  /** A watch dies, with or without telling. */
  | { readonly kind: 'unwatch'; readonly host: number; readonly told: boolean }
  /** A watch calls for nothing. */
  | { readonly kind: 'nudge'; readonly host: number; readonly times: number }
)

export type WorkNature =
  | 'returns'
  | 'throws'
  | 'throws-at-once'
  | 'lingers'
  | 'stuck'
  | 'blocks'
  | 'steps-down'
  | 'stops'
  | 'completes'
  | 'awaits-stop'
  | 'fails-late'
export type ListenerNature = 'throws' | 'rejects' | 'blocks' | 'stops' | 'steps-down' | 'leaves-twice' | 'restarts'

/** The way some user's code is. */
export type Quirk =
  | { readonly kind: 'no-work'; readonly slot: number }
  | { readonly kind: 'work'; readonly slot: number; readonly nature: WorkNature; readonly ms: number }
  | {
      readonly kind: 'listener'
      readonly slot: number
      readonly event: 'elected' | 'deposed' | 'trouble' | 'leader' | 'stopped'
      readonly nature: ListenerNature
      readonly ms: number
    }

type Draw = (chance: Chance, plan: Plan) => Fault

const spell = (chance: Chance, plan: Plan, mostTtls: number): { at: number; forMs: number } => {
  const at = Math.round(chance.between(0, plan.horizonMs * 0.9))
  const forMs = Math.round(Math.min(plan.horizonMs - at, plan.timing.ttlMs * mostTtls * chance.next() ** 2))
  return { at, forMs }
}
const host = (chance: Chance, plan: Plan): number => chance.below(plan.hosts)
/** Or the process that only observes, which is the one after the last. */
const anybody = (chance: Chance, plan: Plan): number => chance.below(plan.hosts + 1)
const slot = (chance: Chance, plan: Plan): number => chance.below(plan.hosts * plan.elections)
const instant = (chance: Chance, plan: Plan): { at: number } => ({ at: Math.round(chance.between(0, plan.horizonMs)) })
const whole = (low: number, high: number, chance: Chance): number => Math.round(chance.between(low, high))

/** Each kind with the most of its kind that one seed may have. */
const kinds: Record<Fault['kind'], readonly [most: number, draw: Draw]> = {
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
  cut: [
    4,
    (c, p) => ({
      kind: 'cut',
      host: anybody(c, p),
      ...c.pick<{ up: boolean; down: boolean }>([
        { up: true, down: true },
        { up: true, down: false },
        { up: false, down: true },
      ]),
      held: c.hit(0.5),
      ...spell(c, p, 3),
    }),
  ],
  outage: [2, (c, p) => ({ kind: 'outage', silent: c.hit(0.5), ...spell(c, p, 4) })],
  restart: [2, (c, p) => ({ kind: 'restart', lost: c.hit(0.5) ? 0 : 1 + c.below(4), ...spell(c, p, 1) })],
  slow: [3, (c, p) => ({ kind: 'slow', ms: whole(1, p.timing.ttlMs * 0.4, c), ...spell(c, p, 3) })],
  stale: [2, (c, p) => ({ kind: 'stale', ms: whole(1, p.timing.ttlMs * 2, c), ...spell(c, p, 3) })],
  refuse: [2, (c, p) => ({ kind: 'refuse', code: c.pick(['store-denied', 'store-unfit']), ...spell(c, p, 1) })],
  pause: [6, (c, p) => ({ kind: 'pause', host: anybody(c, p), ...spell(c, p, 2.5) })],
  suspend: [3, (c, p) => ({ kind: 'suspend', host: anybody(c, p), ...spell(c, p, 4) })],
  freeze: [1, (c, p) => ({ kind: 'freeze', host: anybody(c, p), ...spell(c, p, 4) })],
  crash: [3, (c, p) => ({ kind: 'crash', host: host(c, p), ...spell(c, p, 2) })],
  stop: [4, (c, p) => ({ kind: 'stop', slot: slot(c, p), inAcquire: c.hit(0.4), twice: c.hit(0.3), ...spell(c, p, 1) })],
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
    (c, p) => ({
      kind: 'work',
      slot: slot(c, p),
      nature: c.pick<WorkNature>([
        'returns',
        'throws',
        'throws-at-once',
        'lingers',
        'lingers',
        'stuck',
        'blocks',
        'steps-down',
        'stops',
        'completes',
        'awaits-stop',
        'fails-late',
      ]),
      ms: whole(0, p.timing.ttlMs * c.pick([0.5, 4]), c),
    }),
  ],
  listener: [
    3,
    (c, p) => ({
      kind: 'listener',
      slot: slot(c, p),
      event: c.pick(['elected', 'elected', 'deposed', 'trouble', 'leader', 'stopped']),
      nature: c.pick<ListenerNature>(['throws', 'rejects', 'blocks', 'stops', 'steps-down', 'leaves-twice', 'restarts']),
      ms: whole(0, p.timing.ttlMs * 2, c),
    }),
  ],
}

/** Kinds that have a meaning only under some profiles. */
const only: Partial<Record<Fault['kind'], readonly Plan['profile'][]>> = {
  kill: ['session', 'connection'],
  'step-store': ['clock'],
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
 * back while its records vanish.
 */
function bearable(fault: Fault, all: readonly Fault[]): boolean {
  if (fault.kind === 'step-wall' && fault.ms < 0) return !all.some((other) => other.kind === 'suspend' && other.host === fault.host)
  if (fault.kind === 'step-store' && fault.ms < 0) {
    return !all.some((other) => other.kind === 'delete' || (other.kind === 'restart' && other.lost > 0))
  }
  return true
}

/** Fast answers only: in the grid it is the equal instants that count. */
function onGrid(fault: Fault): Fault {
  return fault.kind === 'noise' ? { ...fault, slowMs: Math.min(fault.slowMs, 40) } : fault
}
