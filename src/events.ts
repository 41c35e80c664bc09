/**
 * The events of a candidate and the small emitter that carries them. A listener can neither stall nor end an election:
 * what it throws, or rejects with, is reported and forgotten.
 */

import { badOption, type TenureError } from './errors.ts'
import type { TenureEnd } from './states.ts'
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

export const eventNames: Readonly<Record<keyof CandidateEvents, true>> = {
  elected: true,
  renewed: true,
  deposed: true,
  leader: true,
  trouble: true,
  stopped: true,
}

/** What it throws, or rejects with, is reported as `listener-failed` and forgotten. */
export type Listener<Args extends readonly unknown[]> = (...args: Args) => unknown

type Listeners<Events> = { [Name in keyof Events]?: Set<Listener<Events[Name] & readonly unknown[]>> }

type Names<Events> = Readonly<Record<keyof Events, true>>

/** What is so already, for a listener that comes later; news while the key is the same. */
export interface Present<Args> {
  readonly key: unknown
  readonly args: Args
}

export interface EmitterOwner<Events> {
  listenerFailed(event: keyof Events, thrown: unknown): void
  presentOf?<Name extends keyof Events>(event: Name): Present<Events[Name]> | undefined
}

export class Emitter<Events extends { [Name in keyof Events]: readonly unknown[] }> {
  /** Made with the first listener. */
  #listeners: Listeners<Events> | undefined
  readonly #names: Names<Events>
  readonly #owner: EmitterOwner<Events>

  constructor(names: Names<Events>, owner: EmitterOwner<Events>) {
    this.#names = names
    this.#owner = owner
  }

  /** Add a listener, and tell it what is so already in a microtask; the function returned takes it away again. */
  on<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): () => void {
    if (!Object.hasOwn(this.#names, event)) throw badOption('event', `one of ${Object.keys(this.#names).join(', ')}`, event)
    if (typeof listener !== 'function') throw badOption('listener', 'a function', listener)
    // A wrapper of its own, so that the same function added twice is called, and taken away, twice.
    const own: Listener<Events[Name]> = (...args) => listener(...args)
    this.#listeners ??= {}
    const listeners = this.#listeners[event] ?? new Set()
    this.#listeners[event] = listeners
    listeners.add(own)
    const present = this.#owner.presentOf?.(event)
    if (present) {
      queueMicrotask(() => {
        if (listeners.has(own) && this.#owner.presentOf?.(event)?.key === present.key) this.call(event, listener, present.args)
      })
    }
    return () => void listeners.delete(own)
  }

  has(event: keyof Events): boolean {
    return (this.#listeners?.[event]?.size ?? 0) > 0
  }

  emit<Name extends keyof Events>(event: Name, ...args: Events[Name]): void {
    for (const listener of [...(this.#listeners?.[event] ?? [])]) this.call(event, listener, args)
  }

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
