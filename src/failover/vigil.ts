/**
 * What a secondary knows of its primary from the bus: when it last heard it, and whether it doubts it. A doubt is a
 * reason to ask the arbiter at once, and nothing else; who is primary, the arbiter alone decides.
 */

import type { Clock } from '../clock.ts'
import type { Word } from '../knowledge.ts'
import type { Heartbeat, Suspicion } from './events.ts'
import type { Message } from './message.ts'

export interface VigilParts {
  readonly clock: Clock
  readonly heartbeatMs: number
  readonly silenceMs: number
  /** Whether its timer keeps the process alive. */
  readonly ref: boolean
}

export interface VigilOwner {
  heartbeat(heartbeat: Heartbeat): void
  /** Nothing was heard for too long. Resolves with whether the primary was found to be well by another way. */
  silent(): Promise<boolean>
  suspect(suspicion: Suspicion): void
  /** It is still doubted. */
  doubtful(): void
  /** Who leads as the arbiter told it last. */
  readonly word: Word | undefined
}

interface Last {
  readonly message: Message
  readonly mono: number
  readonly wall: number
}

export class Vigil {
  readonly #parts: VigilParts
  readonly #owner: VigilOwner
  #last: Last | undefined
  /** Monotonic instant since when nothing has been heard. */
  #since = 0
  /** Messages of smaller tokens are of older tenures, which are over; as it was heard, or as the arbiter says. */
  #floor = 0
  /** Monotonic instant at which a message raised it. */
  #raisedAt = Number.NEGATIVE_INFINITY
  /** When the arbiter had been asked for what was known of it then. */
  #askedBefore = Number.NEGATIVE_INFINITY
  #old = 0
  #suspicion: Suspicion | undefined
  #cancel: (() => void) | undefined
  /** Counts what was heard and done, so that a question knows whether its answer is still asked for. */
  #turn = 0
  #isKept = false

  constructor(parts: VigilParts, owner: VigilOwner) {
    this.#parts = parts
    this.#owner = owner
  }

  /** How many messages of older tenures have come. */
  get old(): number {
    return this.#old
  }

  get suspicion(): Suspicion | undefined {
    return this.#suspicion
  }

  /** How long nothing has been heard, in milliseconds. */
  get silentMs(): number {
    return this.#isKept ? Math.max(0, this.#parts.clock.mono() - this.#since) : 0
  }

  /** The last sign of life; none of a primary that has left, or of an older one. */
  get lastHeartbeat(): Heartbeat | undefined {
    this.#listenToArbiter()
    if (!this.#last) return undefined
    const { message, mono, wall } = this.#last
    return { from: message.from, fencingToken: message.fencingToken, at: wall, ageMs: Math.max(0, this.#parts.clock.mono() - mono) }
  }

  /** From now on this instance is a secondary. */
  keep(): void {
    this.#isKept = true
    this.#last = undefined
    this.#calm()
  }

  /** This instance is primary now, or has stopped. */
  rest(): void {
    this.#isKept = false
    this.#last = undefined
    this.#suspicion = undefined
    this.#turn += 1
    this.#disarm()
  }

  /** Somebody with this token has been elected: all older ones are over. */
  knows(fencingToken: number): void {
    this.#floor = fencingToken
    this.#raisedAt = Number.NEGATIVE_INFINITY
    if (this.#last && this.#last.message.fencingToken > fencingToken) this.#last = undefined
  }

  /** Nobody can say whether the newest that was heard is true, and nothing comes of it: whoever speaks next is heard. */
  forgive(): void {
    this.#floor = 0
  }

  /** A larger token that it does not know, asked after that was heard, is a lie: it must deafen nobody for longer. */
  #listenToArbiter(): void {
    const { word } = this.#owner
    if (!word) return
    if (word.fencingToken > this.#floor) this.#floor = word.fencingToken
    else if (word.fencingToken < this.#floor && this.#isAskedSince(word)) this.knows(word.fencingToken)
  }

  /** A question of the very instant in which the message came counts, unless it was answered before. */
  #isAskedSince({ askedAt }: Word): boolean {
    return askedAt >= this.#raisedAt && askedAt > this.#askedBefore
  }

  /** Returns whether the message belongs to the newest tenure that is known. */
  heard(message: Message): boolean {
    this.#listenToArbiter()
    if (message.fencingToken < this.#floor) {
      this.#old += 1
      return false
    }
    const isLeaving = message.kind === 'leaving'
    // What it said before it left may come after.
    const floor = isLeaving ? message.fencingToken + 1 : message.fencingToken
    if (floor > this.#floor) this.#raise()
    this.#floor = floor
    if (!this.#isKept) return true
    if (isLeaving) {
      this.suspect('announced', message.from)
      this.#last = undefined
      return true
    }
    this.#last = { message, mono: this.#parts.clock.mono(), wall: this.#parts.clock.wall() }
    this.#calm()
    const { lastHeartbeat } = this
    if (lastHeartbeat) this.#owner.heartbeat(lastHeartbeat)
    return true
  }

  #raise(): void {
    this.#raisedAt = this.#parts.clock.mono()
    this.#askedBefore = this.#owner.word?.askedAt ?? Number.NEGATIVE_INFINITY
  }

  /** The channel to an instance was closed: matters if it is the primary. */
  closed(node: string): void {
    if (this.#last?.message.node === node) this.suspect('closed', this.#last.message.from)
  }

  suspect(reason: Suspicion['reason'], primary: string | undefined): void {
    if (!this.#isKept) return
    const isNew = this.#suspicion === undefined
    this.#turn += 1
    this.#suspicion = { reason, primary, silentMs: this.silentMs }
    if (isNew) this.#owner.suspect(this.#suspicion)
    // A listener may have stopped everything.
    if (!this.#isKept) return
    this.#owner.doubtful()
    this.#arm(this.#parts.heartbeatMs)
  }

  /** The primary is well. */
  #calm(): void {
    this.#since = this.#parts.clock.mono()
    this.#suspicion = undefined
    this.#turn += 1
    this.#arm(this.#parts.silenceMs)
  }

  #arm(delayMs: number): void {
    this.#disarm()
    const { clock, ref } = this.#parts
    const at = clock.mono() + delayMs
    const fire = () => {
      // The loop may have been blocked, and heartbeats may wait behind this timer.
      const leftMs = at - clock.mono()
      if (leftMs > 0) this.#cancel = clock.timer(Math.ceil(leftMs), fire, ref)
      else this.#afterPending(() => this.#due())
    }
    this.#cancel = clock.timer(delayMs, fire, ref)
  }

  #afterPending(then: () => void): void {
    const turn = this.#turn
    this.#cancel = undefined
    this.#parts.clock.afterPending(() => {
      if (this.#isKept && turn === this.#turn) then()
    })
  }

  #due(): void {
    if (this.#suspicion) {
      this.#owner.doubtful()
      this.#arm(this.#parts.heartbeatMs)
    } else void this.#ask()
  }

  async #ask(): Promise<void> {
    const primary = this.#last?.message.from
    const turn = this.#turn
    const isWell = await this.#owner.silent()
    if (!this.#isKept || turn !== this.#turn) return
    if (isWell) this.#calm()
    else this.suspect('silent', primary)
  }

  #disarm(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
