/**
 * The connection that the calls of a store go through: made when the first is needed, thrown away when it fails or has
 * been silent for too long, cut when nothing stands. A call belongs to one connection and is never repeated on another:
 * whether to ask again is for the candidate to say.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { bounded } from '../shared/bounded.ts'
import { isReply, isStale, openingFailureOf } from './failures.ts'
import type { Wire, Wires } from './wire.ts'

/** How long a connection may take until its server has answered, in milliseconds: less than people wait for a command. */
const CONNECT_MS = 4_000

/** One connection, and what is known of it. */
interface Dial<Terms> {
  readonly wire: Wire
  readonly begunAt: number
  ready: Promise<Terms>
  isReady: boolean
  isCut: boolean
  calls: number
  /** How many calls have been answered. */
  answers: number
  /** Elections whose last call was not answered. */
  readonly silent: Set<string>
}

export class Link<Terms> {
  readonly #wires: Wires
  readonly #clock: Clock
  /** What has to be known of a server before it is asked anything. */
  readonly #terms: (wire: Wire) => Promise<Terms>
  /** The connection was lost, or is not trusted any more. */
  readonly #lost: (reason: Error) => void
  #dial: Dial<Terms> | undefined
  /** Thrown away, but some of its calls may still be answered. */
  #retired: Dial<Terms> | undefined

  constructor(wires: Wires, clock: Clock, terms: (wire: Wire) => Promise<Terms>, lost: (reason: Error) => void) {
    this.#wires = wires
    this.#clock = clock
    this.#terms = terms
    this.#lost = lost
  }

  /** Ask something about an election. Rejects when the signal aborts; a question that has not left by then never does. */
  async ask<T>(election: string, signal: AbortSignal, question: (wire: Wire, terms: Terms) => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const dial = this.#current()
    const before = dial.answers
    dial.calls += 1
    dial.wire.keepAlive(true)
    const asking = async () => {
      const terms = await dial.ready
      signal.throwIfAborted()
      // Some clients would open themselves again.
      if (dial.isCut) throw new Error('the connection was closed')
      return question(dial.wire, terms)
    }
    try {
      const answer = await bounded(signal, asking())
      this.#answered(dial, election)
      return answer
    } catch (thrown) {
      this.#failed(dial, election, before, signal, thrown)
      throw thrown
    } finally {
      dial.calls -= 1
      if (dial.calls === 0 && dial.isReady) dial.wire.keepAlive(false)
      if (dial.calls === 0 && this.#retired === dial) this.#cutRetired()
    }
  }

  cut(): void {
    if (this.#dial) cutDial(this.#dial)
    this.#dial = undefined
    this.#cutRetired()
  }

  #answered(dial: Dial<Terms>, election: string): void {
    dial.answers += 1
    dial.silent.delete(election)
  }

  #failed(dial: Dial<Terms>, election: string, before: number, signal: AbortSignal, thrown: unknown): void {
    if (signal.aborted) {
      if (this.#isDead(dial, election, before)) this.#retire(dial, new Error('the server did not answer in time'))
      dial.silent.add(election)
    } else if (thrown instanceof TenureError || (isReply(thrown) && !isStale(thrown))) {
      this.#answered(dial, election)
    } else {
      this.#retire(dial, thrown instanceof Error ? thrown : new Error(String(thrown)))
    }
  }

  /**
   * Whether a connection that left a call unanswered is to be thrown away. One that has answered others since is alive,
   * and only slow; in a Cluster one of its nodes may be silent, which shows when the same election is not answered again.
   */
  #isDead(dial: Dial<Terms>, election: string, before: number): boolean {
    // It has its own time to be made in.
    if (!dial.isReady) return false
    const isOld = this.#clock.mono() - dial.begunAt > CONNECT_MS
    return dial.answers === before || (isOld && dial.silent.has(election))
  }

  #current(): Dial<Terms> {
    if (this.#dial) return this.#dial
    const wire = this.#wires.make((reason) => this.#retire(dial, reason))
    const dial: Dial<Terms> = {
      wire,
      begunAt: this.#clock.mono(),
      ready: this.#open(wire),
      isReady: false,
      isCut: false,
      calls: 0,
      answers: 0,
      silent: new Set(),
    }
    dial.ready = dial.ready.then((terms) => {
      dial.isReady = true
      if (dial.calls === 0) wire.keepAlive(false)
      return terms
    })
    // Told to each call that waits for it; if none does any more, it is still not to be used.
    dial.ready.catch((reason: Error) => this.#retire(dial, reason))
    this.#dial = dial
    return dial
  }

  #open(wire: Wire): Promise<Terms> {
    return new Promise((resolve, reject) => {
      const fail = (thrown: unknown) => reject(openingFailureOf(thrown))
      const cancel = this.#clock.timer(CONNECT_MS, () => fail(new Error(`no answer within ${CONNECT_MS} ms`)), false)
      const opening = wire.open().then(() => this.#terms(wire))
      opening.then(resolve, fail).finally(cancel)
    })
  }

  /** No new call on this connection. Those in the air keep it until they are answered or given up. */
  #retire(dial: Dial<Terms>, reason: Error): void {
    if (this.#dial !== dial) return
    this.#dial = undefined
    this.#cutRetired()
    if (dial.calls > 0) this.#retired = dial
    else cutDial(dial)
    this.#lost(reason)
  }

  #cutRetired(): void {
    if (this.#retired) cutDial(this.#retired)
    this.#retired = undefined
  }
}

function cutDial(dial: { readonly wire: Wire; isCut: boolean }): void {
  dial.isCut = true
  dial.wire.cut()
}
