/**
 * Takes part in the bus for one failover: joins, joins again after a loss, and counts what it hears and what it had to
 * ignore. A bus that is down is trouble, and never more than that.
 */

import type { Clock } from '../clock.ts'
import { messageOf, TenureError } from '../errors.ts'
import { type Bus, busError, isOversized, type Member } from './bus.ts'
import { decode, encode, type Message } from './message.ts'

/** A bus that takes longer to join is down. */
const JOIN_MS = 5000
/** A message that has not left by then is given up. */
const SAY_MS = 1000
/** Pause before joining again: doubled from the first to the last, jittered. */
const FIRST_PAUSE_MS = 100
const LAST_PAUSE_MS = 5000

/** What has come over the bus, by what became of it. */
export interface Traffic {
  readonly heard: number
  /** Not readable. */
  readonly garbage: number
  readonly oversized: number
  /** Meant for another election, or another version of this library. */
  readonly foreign: number
}

export interface MembershipOwner {
  /** Messages come from now on; what was said before was not heard. */
  joined(): void
  heard(message: Message): void
  /** The channel to an instance was closed. */
  closed(node: string): void
  busFailed(error: TenureError): void
}

export interface MembershipParts {
  readonly bus: Bus
  readonly election: string
  readonly clock: Clock
  /** Names this instance. */
  readonly node: string
  /** Whether the process stays alive for what has not been said yet. */
  readonly ref: boolean
}

export class Membership implements Member {
  readonly name: string
  readonly #parts: MembershipParts
  readonly #owner: MembershipOwner
  readonly #counts = { heard: 0, garbage: 0, oversized: 0, foreign: 0 }
  #live: AbortController | undefined
  /** What has not left yet. */
  readonly #saying = new Set<AbortController>()
  /** Messages in a row that could not be said. */
  #lost = 0
  #isJoined = false
  #failures = 0
  #cancel: (() => void) | undefined
  #wanted = false

  constructor(parts: MembershipParts, owner: MembershipOwner) {
    this.name = parts.node
    this.#parts = parts
    this.#owner = owner
  }

  get isJoined(): boolean {
    return this.#isJoined
  }

  get traffic(): Traffic {
    return { ...this.#counts }
  }

  enter(): void {
    if (this.#wanted) return
    this.#wanted = true
    this.#join()
  }

  leave(): void {
    this.#wanted = false
    this.#end()
  }

  /** Say something, if it can be said now. Never rejects: what cannot be said is lost, as on the way. */
  async say(message: Omit<Message, 'election' | 'node'>): Promise<void> {
    if (!this.#isJoined) return
    const { bus, clock, election, node, ref } = this.#parts
    const controller = new AbortController()
    const { signal } = controller
    const cancel = clock.timer(SAY_MS, () => controller.abort(new Error(`not said within ${SAY_MS} ms`)), ref)
    const abandoned = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => {
        cancel()
        reject(signal.reason)
      })
    })
    this.#saying.add(controller)
    try {
      // Not every bus looks at its signal.
      await Promise.race([bus.send(encode({ ...message, election, node }), signal), abandoned])
      this.#lost = 0
    } catch (thrown) {
      // To lose one is what buses do, and some mend themselves. To lose all is trouble.
      this.#lost += 1
      if (this.#isJoined && this.#lost > 1) this.#report(thrown)
    } finally {
      cancel()
      this.#saying.delete(controller)
    }
  }

  // What the bus tells.

  joined(): void {
    if (!this.#wanted) return
    this.#stopTimer()
    this.#isJoined = true
    this.#failures = 0
    this.#owner.joined()
  }

  heard(text: string): void {
    if (!this.#wanted) return
    if (isOversized(text)) return this.ignored('oversized')
    const message = decode(text, this.#parts.election)
    if (typeof message === 'string') {
      this.#counts[message] += 1
      return
    }
    if (message.node === this.name) return
    this.#counts.heard += 1
    this.#owner.heard(message)
  }

  closed(name: string): void {
    if (this.#wanted && name !== this.name) this.#owner.closed(name)
  }

  ignored(why: 'garbage' | 'oversized'): void {
    this.#counts[why] += 1
  }

  #join(): void {
    const { bus, clock } = this.#parts
    const controller = new AbortController()
    this.#live = controller
    const lost = (thrown: unknown) => {
      if (this.#live !== controller) return
      this.#end()
      this.#report(thrown)
      this.#joinLater()
    }
    const late = () => lost(busError(bus.name, `could not be joined within ${JOIN_MS} ms`))
    this.#cancel = clock.timer(JOIN_MS, late, false)
    const begin = async () => bus.join(this.#guarded(controller.signal), controller.signal)
    // One that ends without an error has told nothing, and is lost all the same.
    begin().then(() => lost(busError(bus.name, 'has ended')), lost)
  }

  /** The same member, deaf once this joining is over: what a bus still delivers of it belongs to nobody. */
  #guarded(signal: AbortSignal): Member {
    const unless = <Args extends unknown[]>(tell: (...args: Args) => void) => {
      return (...args: Args): void => {
        if (!signal.aborted) tell(...args)
      }
    }
    return {
      name: this.name,
      joined: unless(() => this.joined()),
      heard: unless((text: string) => this.heard(text)),
      closed: unless((name: string) => this.closed(name)),
      ignored: unless((why: 'garbage' | 'oversized') => this.ignored(why)),
    }
  }

  #joinLater(): void {
    const { clock } = this.#parts
    this.#failures += 1
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 30), LAST_PAUSE_MS)
    this.#cancel = clock.timer(Math.ceil(pause * (0.5 + 0.5 * clock.random())), () => this.#join(), false)
  }

  #end(): void {
    this.#stopTimer()
    this.#isJoined = false
    const live = this.#live
    this.#live = undefined
    live?.abort()
    for (const saying of this.#saying) saying.abort(new Error('the bus was left'))
  }

  #stopTimer(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #report(thrown: unknown): void {
    const { bus } = this.#parts
    const isOurs = thrown instanceof TenureError && thrown.code === 'bus-unreachable'
    this.#owner.busFailed(isOurs ? thrown : busError(bus.name, messageOf(thrown), thrown))
  }
}
