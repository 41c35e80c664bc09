/**
 * What a law of buses works with: bus objects as several processes would have them, and members that write down what
 * they hear. Waits on what happens, with a bound that only a broken bus reaches.
 */

import { systemClock } from '../../clock.ts'
import { messageOf, TenureError } from '../../errors.ts'
import type { Bus, Member } from '../../failover/bus.ts'
import { LawBroken } from '../laws.ts'

/** One bus with all that a test can do to it. Optional is what not every bus has. */
export interface BusGround {
  /** A new object for the same bus, as another process would have it. */
  open(): Bus | Promise<Bus>
  /** A bus of the same kind on another channel. */
  apart?(): Bus | Promise<Bus>
  /** Put something on the bus that no member has said. */
  inject?(what: 'garbage' | 'oversized'): Promise<void>
  /** Take the bus down for everybody, until `rise`. */
  fall?(): Promise<void>
  rise?(): Promise<void>
  /** Whether members are told who has left. @default false */
  readonly tellsEnds?: boolean | undefined
  close?(): Promise<void>
}

/** What a law needs a ground to offer. */
export type BusNeed = 'apart' | 'inject' | 'fall' | 'ends'

/** Somebody who takes part, and writes down what it hears. */
export class Ear implements Member {
  readonly name: string
  readonly bus: Bus
  readonly texts: string[] = []
  readonly ends: string[] = []
  readonly ignoredOnes: string[] = []
  joins = 0
  /** How its joining ended: `undefined` while it lasts, `null` for well. */
  end: TenureError | null | undefined
  readonly #changed: () => void
  readonly #controller = new AbortController()

  constructor(bus: Bus, name: string, changed: () => void) {
    this.bus = bus
    this.name = name
    this.#changed = changed
    bus.join(this, this.#controller.signal).then(
      () => this.#ended(null),
      (thrown: unknown) => this.#ended(thrown instanceof TenureError ? thrown : new TenureError('bad-option', messageOf(thrown))),
    )
  }

  leave(): void {
    this.#controller.abort()
  }

  joined(): void {
    this.joins += 1
    this.#changed()
  }

  heard(text: string): void {
    this.texts.push(text)
    this.#changed()
  }

  closed(name: string): void {
    this.ends.push(name)
    this.#changed()
  }

  ignored(why: string): void {
    this.ignoredOnes.push(why)
    this.#changed()
  }

  #ended(end: TenureError | null): void {
    this.end = end
    this.#changed()
  }
}

/** Where laws of buses are checked. */
export class BusLab {
  readonly ground: BusGround
  readonly #waitMs: number
  readonly #ears: Ear[] = []
  readonly #waiting = new Set<() => void>()
  readonly #run = systemClock.id().slice(0, 8)
  #said = 0

  constructor(ground: BusGround, waitMs: number) {
    this.ground = ground
    this.#waitMs = waitMs
  }

  /** A text that nobody has said before. */
  text(): string {
    this.#said += 1
    return `law ${this.#run} ${this.#said}`
  }

  /** Somebody who has joined, through a bus object of its own or this one. */
  async ear(bus?: Bus): Promise<Ear> {
    const ear = this.enter(bus ?? (await this.ground.open()))
    await this.until(() => ear.joins > 0, 'joining did not come to an end')
    return ear
  }

  /** Somebody who joins. */
  enter(bus: Bus): Ear {
    const ear = new Ear(bus, `${this.#run}-${this.#ears.length}`, () => this.#look())
    this.#ears.push(ear)
    return ear
  }

  say(from: Ear, text: string): Promise<void> {
    return from.bus.send(text, new AbortController().signal)
  }

  /** Speak again and again until it is heard: what is said while a bus mends itself may be lost. */
  async reach(from: Ear): Promise<void> {
    let cancel = () => {}
    const again = () => {
      // Known not to have left: said again like the others.
      this.say(from, this.text()).catch(() => {})
      cancel = systemClock.timer(50, again, true)
    }
    const { length } = from.texts
    again()
    await this.until(() => from.texts.length > length, 'the bus did not mend itself').finally(() => cancel())
  }

  /** Say something, and wait until all of them have heard it. */
  async tell(from: Ear, to: readonly Ear[], text = this.text()): Promise<void> {
    await this.say(from, text)
    await this.until(() => to.every((ear) => ear.texts.includes(text)), `not everybody heard ${JSON.stringify(text.slice(0, 40))}`)
  }

  /** All that was said before this has been heard, where anything is: what has not come by then does not come. */
  async settle(from: Ear): Promise<void> {
    await this.tell(from, [from])
    await new Promise<void>((resolve) => systemClock.timer(50, resolve, true))
  }

  until(reached: () => boolean, otherwise: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!reached()) return
        over()
        resolve()
      }
      const over = () => {
        cancel()
        this.#waiting.delete(look)
      }
      const late = () => {
        over()
        reject(new LawBroken(`${otherwise} (waited ${this.#waitMs} ms)`))
      }
      const cancel = systemClock.timer(this.#waitMs, late, true)
      this.#waiting.add(look)
      look()
    })
  }

  async rejects(promise: Promise<unknown>, what: string): Promise<unknown> {
    let outcome: { readonly thrown: unknown } | 'resolved' | undefined
    promise.then(
      () => {
        outcome = 'resolved'
        this.#look()
      },
      (thrown: unknown) => {
        outcome = { thrown }
        this.#look()
      },
    )
    await this.until(() => outcome !== undefined, `${what} did not settle`)
    const settled = outcome as { readonly thrown: unknown } | 'resolved' | undefined
    if (settled === 'resolved' || settled === undefined) throw new LawBroken(`${what} resolved`)
    return settled.thrown
  }

  check(holds: boolean, otherwise: string): void {
    if (!holds) throw new LawBroken(otherwise)
  }

  /** Everybody leaves, and has left. */
  async close(): Promise<void> {
    for (const ear of this.#ears) ear.leave()
    try {
      await this.until(() => this.#ears.every(({ end }) => end !== undefined), 'joining did not end when its signal was aborted')
    } finally {
      await this.ground.close?.()
    }
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}
