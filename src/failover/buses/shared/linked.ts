/**
 * What all buses have in common: the members of one bus object share one link, which is opened for the first of them and
 * closed after the last. A link is never repaired here: one that is lost ends the joining of all its members, and the
 * next who joins opens another.
 */

import { type Clock, MAX_TIMER_MS } from '../../../clock.ts'
import { bare, messageOf, TenureError } from '../../../errors.ts'
import { type Bus, busError, isOversized, MAX_MESSAGE_BYTES, type Member } from '../../bus.ts'

/** A way to the others, being opened or open. */
export interface Link {
  /** Rejects where it is known that the text has not left. */
  send(text: string): Promise<void>
  /** Who takes part through this link. Told at once, and whenever it changes. */
  present?(names: readonly string[]): void
  /** Whether the link still stands. Asked now and then, for silence on a bus is normal; rejects if it does not. */
  check?(): Promise<unknown>
  /** For good. Nothing that comes later is told. */
  close(): void
}

/** What a link tells. */
export interface LinkEnds {
  /** Messages come from now on; again after a gap. */
  up(): void
  heard(text: string): void
  closed(name: string): void
  ignored(why: 'garbage' | 'oversized'): void
  lost(thrown: unknown): void
}

export interface LinkedBusParts {
  readonly name: string
  readonly clock: Clock
  open(ends: LinkEnds): Link
}

/** A link that does not answer within this time is lost. */
const CHECK_MS = 5000

interface Seat {
  readonly member: Member
  lost(error: TenureError): void
}

interface Line {
  link: Link | undefined
  isUp: boolean
  isOver: boolean
  cancelCheck: () => void
}

export function linkedBus(parts: LinkedBusParts): Bus {
  return new LinkedBus(parts)
}

class LinkedBus implements Bus {
  readonly name: string
  readonly #parts: LinkedBusParts
  readonly #seats = new Set<Seat>()
  #line: Line | undefined

  constructor(parts: LinkedBusParts) {
    this.name = parts.name
    this.#parts = parts
  }

  join(member: Member, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#seats.delete(seat)
        if (this.#seats.size === 0) this.#close()
        else this.#present()
        resolve()
      }
      const seat: Seat = {
        member,
        lost(error) {
          signal.removeEventListener('abort', leave)
          reject(error)
        },
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#seats.add(seat)
      if (!this.#line) return this.#open()
      this.#present()
      if (this.#line.isUp) queueMicrotask(() => void (this.#seats.has(seat) && member.joined()))
    })
  }

  async send(text: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (isOversized(text)) throw busError(this.name, `a message is longer than ${MAX_MESSAGE_BYTES} bytes`)
    const { link, isUp } = this.#line ?? {}
    if (!link || !isUp) throw busError(this.name, 'not joined')
    await unlessAborted(signal, link.send(text)).catch((thrown: unknown) => {
      throw asBusError(this.name, thrown)
    })
  }

  #open(): void {
    const line: Line = { link: undefined, isUp: false, isOver: false, cancelCheck() {} }
    this.#line = line
    const lost = (thrown: unknown) => {
      if (line.isOver) return
      this.#close()
      const error = asBusError(this.name, thrown)
      const seats = [...this.#seats]
      this.#seats.clear()
      for (const seat of seats) seat.lost(error)
    }
    const tell = (say: (member: Member) => void) => {
      if (line.isOver) return
      // Each in a turn of its own: one that fails keeps nothing from the others.
      for (const seat of this.#seats) queueMicrotask(() => void (this.#seats.has(seat) && say(seat.member)))
    }
    const ends: LinkEnds = {
      up: () => {
        if (line.isOver) return
        line.isUp = true
        line.cancelCheck()
        this.#checkLater(line, lost)
        tell((member) => member.joined())
      },
      heard: (text) => {
        if (isOversized(text)) ends.ignored('oversized')
        else tell((member) => member.heard(text))
      },
      closed: (name) => tell((member) => member.closed(name)),
      ignored: (why) => tell((member) => member.ignored(why)),
      lost,
    }
    // Not before whoever joins has got its promise.
    queueMicrotask(() => {
      if (line.isOver) return
      try {
        line.link = this.#parts.open(ends)
        this.#present()
      } catch (thrown) {
        lost(thrown)
      }
    })
  }

  #checkLater(line: Line, lost: (thrown: unknown) => void): void {
    const check = line.link?.check?.bind(line.link)
    if (!check) return
    const { clock } = this.#parts
    let cancel = () => {}
    line.cancelCheck = () => cancel()
    const ask = () => {
      const late = () => {
        // Our own loop may be what was late.
        clock.afterPending(() => void (cancel === cancelLate && lost(new Error(`no answer within ${CHECK_MS} ms`))))
      }
      const cancelLate = clock.timer(CHECK_MS, late, false)
      cancel = cancelLate
      check().then(() => {
        if (cancel !== cancelLate) return
        cancelLate()
        cancel = clock.timer(CHECK_MS, ask, false)
      }, lost)
    }
    cancel = clock.timer(Math.min(CHECK_MS, MAX_TIMER_MS), ask, false)
  }

  #present(): void {
    this.#line?.link?.present?.([...this.#seats].map(({ member }) => member.name))
  }

  #close(): void {
    const line = this.#line
    this.#line = undefined
    if (!line) return
    line.isOver = true
    line.cancelCheck()
    line.link?.close()
  }
}

function asBusError(bus: string, thrown: unknown): TenureError {
  if (thrown instanceof TenureError && thrown.code === 'bus-unreachable') return thrown
  return busError(bus, messageOf(thrown), bare(thrown))
}

function unlessAborted<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason)
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}
