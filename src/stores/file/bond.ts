/**
 * A follower's connection to the process that holds the lease. While it stands that process lives; when it ends the
 * follower asks at once whether it died. It must not take the end of a connection itself for a death: connections end
 * for many reasons, and only a refused one proves anything.
 */

import type { Socket } from 'node:net'
import type { Clock } from '../../clock.ts'
import type { Lifelines } from './lifeline.ts'
import type { SocketMark } from './record.ts'

/** A connection that lasted for less is not worth another one at once. */
const BRIEF_MS = 1000
/** So many brief ones in a row are followed by the next without a pause: a process that is dying accepts a few. */
const FREE = 5
const LONGEST_PAUSE_MS = 1000

interface Tie {
  readonly mark: SocketMark
  readonly socket: Socket
  readonly since: number
}

export interface BondParts {
  readonly lifelines: Lifelines
  readonly folder: string
  readonly clock: Clock
  /** The holder that made this mark died, or the connection to it is gone. */
  lost(mark: SocketMark): void
}

export class Bond {
  readonly #parts: BondParts
  #wanted = false
  #tie: Tie | undefined
  /** The name of the socket that was found dead last. It never lives again. */
  #dead: string | undefined
  #briefly = 0
  #cancelPause: (() => void) | undefined

  constructor(parts: BondParts) {
    this.#parts = parts
  }

  /** A connection stands, and its end will be noticed. */
  get standing(): boolean {
    return this.#tie !== undefined
  }

  /** Somebody wants to be told: stay connected from now on. */
  hold(): void {
    this.#wanted = true
  }

  /** Nobody wants to be told any more. */
  let(): void {
    this.#wanted = false
    this.#untie()
    this.#cancelPause?.()
    this.#cancelPause = undefined
  }

  /** Whether the process that made this mark has died. False proves nothing. */
  async isDead(mark: SocketMark): Promise<boolean> {
    if (this.#dead === mark.name) return true
    if (this.#tie?.mark.name === mark.name) return false
    // Pausing: it was reached many times in a row, and let go of us each time.
    if (this.#cancelPause) return false
    return (await this.#ask(mark)) === 'dead'
  }

  async #ask(mark: SocketMark): Promise<'alive' | 'dead' | 'silent'> {
    const { lifelines, folder, clock } = this.#parts
    const sign = await lifelines.probe(folder, mark)
    if (sign === 'dead') {
      this.#dead = mark.name
      return 'dead'
    }
    if (sign === 'silent') return 'silent'
    if (!this.#wanted) sign.destroy()
    else this.#bind({ mark, socket: sign, since: clock.mono() })
    return 'alive'
  }

  #bind(tie: Tie): void {
    this.#untie()
    this.#tie = tie
    const ended = () => {
      if (this.#tie === tie) void this.#ended(tie)
    }
    // It may have ended while we were being told that it began.
    if (tie.socket.closed) queueMicrotask(ended)
    else tie.socket.once('close', ended)
  }

  #untie(): void {
    const tie = this.#tie
    this.#tie = undefined
    tie?.socket.destroy()
  }

  async #ended(tie: Tie): Promise<void> {
    const { clock } = this.#parts
    this.#tie = undefined
    this.#briefly = clock.mono() - tie.since < BRIEF_MS ? this.#briefly + 1 : 0
    if (this.#briefly > FREE) {
      const pauseMs = Math.min(LONGEST_PAUSE_MS, 10 * 2 ** (this.#briefly - FREE))
      this.#cancelPause = clock.timer(pauseMs, () => void this.#again(tie.mark), false)
      return
    }
    await this.#again(tie.mark)
  }

  async #again(mark: SocketMark): Promise<void> {
    this.#cancelPause = undefined
    // Nobody follows any more, or somebody else is followed.
    if (!this.#wanted || this.#tie) return
    // Silent: what else it may mean stands in the files. A lease that was given back ends its connections too.
    if ((await this.#ask(mark)) !== 'alive') this.#parts.lost(mark)
  }
}
