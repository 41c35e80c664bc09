/**
 * Feels that an election is free. One session waits at the server for the lock of one election, in turn, so that the end
 * of its holder, however sudden, is felt within milliseconds; besides, all that are watched are looked at now and then.
 * A lock that was given to the waiting session is only offered: whoever bids next in this process takes it, and if
 * nobody does it is given back. Must never wait for somebody who only looks on.
 */

import type { Clock } from '../../clock.ts'
import { arrayOf } from '../postgres/rows.ts'
import { bounded, within } from '../shared/bounded.ts'
import type { Crew } from './crew.ts'
import type { Keeper } from './keeper.ts'
import { aimStatement, givenStatement, lookStatement, waitStatement } from './statements.ts'

export interface WaiterParts {
  readonly clock: Clock
  readonly crew: Crew
  readonly raw: string | null
  /** Whether sessions wait at the server; else everything is found by looking. */
  readonly blocks: boolean
  /** The elections that are watched. */
  watched(): ReadonlyMap<string, unknown>
  /** The pause between two looks, and the longest that the server is asked to wait, in milliseconds. */
  retryMs(): number
  /** How long a lock is offered, in milliseconds. */
  offerMs(): number
  tell(election: string): void
}

interface Offer {
  readonly keeper: Keeper
  cancel(): void
}

/** How long opening a session may take, in milliseconds. */
const OPENING_MS = 5000
/** Whoever waited at the server and was not given the lock hears a little later: by then it is known who was. */
const LOSERS_MS = 20

export class Waiter {
  readonly #parts: WaiterParts
  /** Elections that somebody here has bid for in vain, the next in turn first. */
  readonly #wanted = new Set<string>()
  readonly #offers = new Map<string, Offer>()
  /** Who had the lock when it was last looked at. */
  readonly #seen = new Map<string, string | null>()
  /** Releases that are not told yet. */
  readonly #hushed = new Map<string, () => void>()
  #keeper: Keeper | undefined
  /** What the session waits for at the server. */
  #blockedFor: string | undefined
  #running = false
  #cancelPause: (() => void) | undefined
  #cancelLook: (() => void) | undefined
  #looksAt = 0

  constructor(parts: WaiterParts) {
    this.#parts = parts
  }

  /** Somebody here has bid in vain. */
  wants(election: string): void {
    if (!this.#parts.watched().has(election)) return
    this.#wanted.add(election)
    if (this.#parts.blocks && !this.#running) void this.#run()
  }

  /** Nobody here waits for it any more, or it is held in this process. */
  settled(election: string): void {
    // Otherwise the session would take it from under whoever has it here, and offer it to nobody.
    if (this.#wanted.delete(election) && this.#blockedFor === election) this.drop()
  }

  /** The session that was given the lock of this election, which the caller now takes. */
  take(election: string): Keeper | undefined {
    const offer = this.#offers.get(election)
    this.#offers.delete(election)
    offer?.cancel()
    return offer?.keeper.wire.over ? undefined : offer?.keeper
  }

  /** It was released. The session that waits for it has been given it already, or somebody else was. */
  released(election: string): void {
    const { clock, tell } = this.#parts
    if (this.#blockedFor !== election) return tell(election)
    const cancel = clock.timer(
      LOSERS_MS,
      () => {
        this.#hushed.delete(election)
        tell(election)
      },
      false,
    )
    this.#hushed.get(election)?.()
    this.#hushed.set(election, cancel)
  }

  /** Somebody watches, or the durations have changed: the next look is due by now. */
  heed(): void {
    if (this.#parts.watched().size > 0) this.#lookLater()
  }

  /** The last watch of this election has ended. */
  unwatched(election: string): void {
    this.settled(election)
    this.#seen.delete(election)
    this.#giveBack(election)
    this.#hush(election)
    if (this.#parts.watched().size === 0) this.#stopLooking()
  }

  /** Give up the session that waits; it holds nothing. */
  drop(): void {
    const keeper = this.#keeper
    this.#keeper = undefined
    keeper?.wire.end((session) => session.destroy())
  }

  close(): void {
    this.#wanted.clear()
    for (const { cancel } of this.#offers.values()) cancel()
    this.#offers.clear()
    for (const election of [...this.#hushed.keys()]) this.#hush(election)
    this.#stopLooking()
    this.#cancelPause?.()
    this.drop()
  }

  async #run(): Promise<void> {
    this.#running = true
    for (let election = this.#next(); election !== undefined; election = this.#next()) {
      if (!(await this.#wait(election))) await this.#pause()
    }
    this.#running = false
    const keeper = this.#keeper
    this.#keeper = undefined
    if (keeper) this.#parts.crew.letGo(keeper)
  }

  /** The next in turn. */
  #next(): string | undefined {
    const [election] = this.#wanted
    if (election === undefined) return undefined
    this.#wanted.delete(election)
    this.#wanted.add(election)
    return election
  }

  /** Resolves with whether the server has answered; it may not be asked again at once where it has not. */
  async #wait(election: string): Promise<boolean> {
    const { clock, crew, raw } = this.#parts
    const retryMs = this.#parts.retryMs()
    try {
      const keeper = await this.#session()
      if (!keeper) return false
      await keeper.fit()
      await keeper.wire.ask(aimStatement, [election, raw, String(retryMs)])
      if (!this.#wanted.has(election)) return true
      this.#blockedFor = election
      const since = clock.mono()
      await keeper.wire.ask(waitStatement, [], retryMs + crew.lateMs)
      // Only a lock ends it before its time; at the end of it either may have come first. Whoever takes it looks again.
      const early = clock.mono() - since < retryMs / 2
      if (early || (await keeper.wire.ask(givenStatement, [])).length > 0) this.#given(election, keeper)
      return true
    } catch {
      // The candidates go on by themselves, and a server that is away is told to them by their own calls.
      if (this.#keeper?.wire.over) this.#keeper = undefined
      return false
    } finally {
      this.#blockedFor = undefined
    }
  }

  async #session(): Promise<Keeper | undefined> {
    if (this.#keeper) return this.#keeper
    const keeper = await within(this.#parts.clock, OPENING_MS, (signal) => this.#parts.crew.another(signal))
    this.#keeper = keeper
    await keeper?.warm()
    return keeper
  }

  #given(election: string, keeper: Keeper): void {
    const { clock, crew, offerMs, tell } = this.#parts
    this.#blockedFor = undefined
    if (this.#keeper === keeper) this.#keeper = undefined
    const cancel = clock.timer(offerMs(), () => this.#giveBack(election), false)
    this.#offers.set(election, { keeper, cancel })
    this.#hush(election)
    if (!this.#wanted.delete(election)) return this.#giveBack(election)
    tell(election)
    // Whoever is gone had others, perhaps.
    if (this.#parts.watched().size > 1) void this.#look()
    crew.relax()
  }

  #hush(election: string): void {
    this.#hushed.get(election)?.()
    this.#hushed.delete(election)
  }

  #giveBack(election: string): void {
    const keeper = this.take(election)
    if (!keeper) return
    keeper
      .free([{ election, holder: '' }])
      .catch((thrown: unknown) => keeper.wire.doom(thrown))
      .finally(() => this.#parts.crew.letGo(keeper))
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.timer(this.#parts.retryMs(), resolve, false)
      this.#cancelPause = () => {
        cancel()
        resolve()
      }
    })
  }

  #lookLater(): void {
    const { clock, retryMs } = this.#parts
    const pauseMs = retryMs() * (0.8 + 0.2 * clock.random())
    const at = clock.mono() + pauseMs
    if (this.#cancelLook && this.#looksAt <= at) return
    this.#cancelLook?.()
    this.#looksAt = at
    this.#cancelLook = clock.timer(pauseMs, () => void this.#look(), false)
  }

  #stopLooking(): void {
    this.#cancelLook?.()
    this.#cancelLook = undefined
  }

  /** Look at all that are watched, and not held here. Also keeps the session that hears from falling silent. */
  async #look(): Promise<void> {
    const { clock, crew, raw, tell } = this.#parts
    this.#stopLooking()
    const held = crew.elections
    const names = [...this.#parts.watched().keys()].filter((election) => !held.has(election) && !this.#offers.has(election))
    try {
      if (names.length > 0 || !crew.beating) {
        const ask = async (signal: AbortSignal) => bounded(signal, (await crew.main(signal)).wire.ask(lookStatement, [arrayOf(names), raw]))
        for (const [name, pid] of await within(clock, crew.lateMs, ask)) {
          if (typeof name !== 'string' || pid === undefined) continue
          const before = this.#seen.get(name)
          this.#seen.set(name, pid)
          if ((before !== undefined && before !== pid) || (pid === null && this.#wanted.has(name))) tell(name)
        }
      }
    } catch {
      // The watches are told when the session that hears is lost; until then there is another look, at everything anew.
      this.#seen.clear()
    }
    if (this.#parts.watched().size > 0) this.#lookLater()
  }
}
