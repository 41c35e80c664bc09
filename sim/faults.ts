/**
 * Everything that can go wrong, as data: faults of the network, the store, the clocks and the processes, and quirks of
 * the user's own code. `draw.ts` draws them, `injector.ts` makes them happen.
 */

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
  /** The process of the store stands still, and what arrives waits; `frozen`: so does its clock. */
  | { readonly kind: 'stall'; readonly frozen: boolean }
  /** The store restarts; the last so many commits are lost (level B). */
  | { readonly kind: 'restart'; readonly lost: number | 'all' }
  /** A copy that lags takes over, with a clock that is off by `shift` of the outage. */
  | { readonly kind: 'failover'; readonly lost: number; readonly shift: number }
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
  /** `stop()`, and `start()` again; `during`: stopped when its next call of this kind is in the air. */
  | { readonly kind: 'stop'; readonly slot: number; readonly during: 'acquire' | 'renew' | 'release' | 'whatever'; readonly twice: boolean }
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

/** The way some user's code is. */
export type Quirk =
  | { readonly kind: 'no-work'; readonly slot: number }
  | { readonly kind: 'work'; readonly slot: number; readonly nature: WorkNature; readonly ms: number }
  | {
      readonly kind: 'listener'
      readonly slot: number
      readonly event: ListenedEvent
      readonly nature: ListenerNature
      readonly ms: number
    }

export type WorkNature = (typeof workNatures)[number]
export const workNatures = [
  'returns',
  'throws',
  'throws-at-once',
  'lingers',
  'stuck',
  'blocks',
  'steps-down',
  'stops',
  'completes',
  'awaits-stop',
  'fails-late',
  'meddles',
] as const

export type ListenerNature = (typeof listenerNatures)[number]
export const listenerNatures = ['throws', 'rejects', 'blocks', 'stops', 'steps-down', 'leaves-twice', 'restarts'] as const

export type ListenedEvent = (typeof listenedEvents)[number]
export const listenedEvents = ['elected', 'renewed', 'deposed', 'trouble', 'leader', 'stopped'] as const

export function describeFault(fault: Fault): string {
  const { kind, ...rest } = fault
  return `${kind} ${JSON.stringify(rest)}`
}
