/**
 * The events of a candidate and the small emitter that carries them. A listener can neither stall nor end an election:
 * what it throws, or rejects with, is reported and forgotten.
 */

import type { TenureEnd } from './election.ts'
import type { TenureError } from './errors.ts'
import type { Tenure } from './tenure.ts'

/** Who leads, as far as this process knows. */
export interface Leader {
  /** The id of the candidate that leads. */
  readonly candidate: string
  readonly fencingToken: number
  /** What the leader wants others to know, e.g. its URL. */
  readonly advert: string | undefined
  /** How long it has led, in milliseconds, where the store can tell. */
  readonly heldMs: number | undefined
  /** How old this knowledge is, in milliseconds. */
  readonly ageMs: number
  /** Whether it is the candidate that was asked. */
  readonly isMe: boolean
}

/** Every event of a candidate with what its listeners get. */
export interface CandidateEvents {
  /** This candidate leads. Told at once, in a microtask, to a listener that is added while it leads. */
  elected: [tenure: Tenure]
  /** The store has confirmed this tenure, also while its work drains: `tenure.remainingMs()` counts anew. */
  renewed: [tenure: Tenure]
  /** Its tenure has ended; the signal of the tenure is aborted already, its work may still be draining. */
  deposed: [tenure: Tenure, why: TenureEnd]
  /** Somebody else is known to lead than before, or nobody. Told at once to a listener that is added later. */
  leader: [leader: Leader | undefined]
  /** Something went wrong and is being dealt with. Without listener and logger: one process warning per code. */
  trouble: [error: TenureError]
  /** `stop()` has done all it does. */
  stopped: []
}

export type Listener<Args extends readonly unknown[]> = (...args: Args) => unknown

type Listeners<Events> = { [Name in keyof Events]?: Set<Listener<Events[Name] & readonly unknown[]>> }

export interface EmitterOwner<Events> {
  listenerFailed(event: keyof Events, thrown: unknown): void
}

export class Emitter<Events extends { [Name in keyof Events]: readonly unknown[] }> {
  /** Made with the first listener. */
  #listeners: Listeners<Events> | undefined
  readonly #owner: EmitterOwner<Events>

  constructor(owner: EmitterOwner<Events>) {
    this.#owner = owner
  }

  /** Add a listener; the function returned takes it away again. */
  on<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): () => void {
    // A wrapper of its own, so that the same function added twice is called, and taken away, twice.
    const own: Listener<Events[Name]> = (...args) => listener(...args)
    this.#listeners ??= {}
    const listeners = this.#listeners[event] ?? new Set()
    this.#listeners[event] = listeners
    listeners.add(own)
    return () => void listeners.delete(own)
  }

  has(event: keyof Events): boolean {
    return (this.#listeners?.[event]?.size ?? 0) > 0
  }

  emit<Name extends keyof Events>(event: Name, ...args: Events[Name]): void {
    for (const listener of [...(this.#listeners?.[event] ?? [])]) this.call(event, listener, args)
  }

  /** Call one listener as `emit` does. */
  call<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>, args: Events[Name]): void {
    try {
      const result = listener(...args)
      if (isThenable(result)) result.then(undefined, (thrown: unknown) => this.#owner.listenerFailed(event, thrown))
    } catch (thrown) {
      this.#owner.listenerFailed(event, thrown)
    }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function'
}
