/**
 * One call of `runOnce`: a candidate that runs the work when it is elected, and that looks at the memo whenever somebody
 * else has led. It may assume that a memo is written by a live leader alone. It must never run the work where the memo,
 * read under its own lease, says that it is done, never say that it is done before the memo does, and never write two
 * different texts in one tenure.
 */

import { MAX_TIMER_MS } from '../clock.ts'
import { asStoreError, messageOf, TenureError } from '../errors.ts'
import { Emitter } from '../events.ts'
import { type CandidateOptions, type Settings, settingsOf, warn } from '../options.ts'
import { Shell } from '../shell.ts'
import type { Memo } from '../store.ts'
import type { Tenure } from '../tenure.ts'
import { backoffMs, longestPauseMs } from '../timing.ts'
import { Troubles } from '../troubles.ts'
import { decodeLedger, encodeLedger, type Ledger, noted, unwritten } from './ledger.ts'

/** How a call of `runOnce` came to its end: the work was run here, or elsewhere. */
export type Once<T> = { readonly ran: true; readonly value: T } | { readonly ran: false }

export interface RunParts<T> {
  readonly name: string
  readonly memo: Memo
  readonly version: string | undefined
  readonly waitMs: number | undefined
  readonly options: CandidateOptions
  readonly work: (tenure: Tenure) => T | Promise<T>
  readonly onTrouble: ((error: TenureError) => void) | undefined
}

type End<T> = { readonly once: Once<T> } | { readonly thrown: unknown }

export class Run<T> {
  readonly #parts: RunParts<T>
  readonly #settings: Settings
  readonly #shell: Shell
  readonly #ended: Promise<void>
  readonly #troubles: Troubles
  #end: End<T> | undefined
  #endOf = () => {}
  /** The last run of all before this call. */
  #before = 0
  /** The work runs here, or its end is being noted. */
  #running = false
  #late = false
  /** What the work threw; told once the candidate has stepped down for it. */
  #failure: { readonly tenure: Tenure; readonly thrown: unknown } | undefined
  #looking = false
  #lookAgain = false
  /** Aborts with the end of this call, and takes along what is still asked. */
  readonly #life = new AbortController()

  /** Contacts nobody. Throws a `TenureError` of code `bad-option`. */
  constructor(parts: RunParts<T>) {
    this.#parts = parts
    this.#settings = settingsOf({ ...parts.options, work: (tenure) => this.#lead(tenure) })
    this.#shell = new Shell(this.#settings)
    const { onTrouble } = parts
    const { clock, logger } = this.#settings
    const listeners = new Emitter<{ trouble: [error: TenureError] }>(
      { trouble: true },
      {
        listenerFailed: (_, thrown) => warn(logger, `onTrouble failed: ${messageOf(thrown)}`, 'listener-failed'),
      },
    )
    if (onTrouble) listeners.on('trouble', onTrouble)
    this.#troubles = new Troubles(clock, logger, {
      told(error) {
        listeners.emit('trouble', error)
        return onTrouble !== undefined
      },
    })
    this.#shell.on('trouble', (error) => {
      // The logger has heard it from the candidate, and the caller will hear by the rejection what its work threw.
      if (logger || (error.code === 'work-failed' && !this.#end)) listeners.emit('trouble', error)
      else this.#troubles.report(error, {})
    })
    this.#ended = new Promise((resolve) => {
      this.#endOf = resolve
    })
  }

  async done(): Promise<Once<T>> {
    const { signal } = this.#settings
    const { waitMs } = this.#parts
    const aborted = () => this.#finish({ thrown: signal?.reason })
    if (signal?.aborted) aborted()
    signal?.addEventListener('abort', aborted)
    const cancel = waitMs === undefined ? () => {} : this.#waitFor(waitMs)
    try {
      if (!this.#end) this.#begin().catch((thrown: unknown) => this.#finish({ thrown }))
      await this.#ended
    } finally {
      cancel()
      signal?.removeEventListener('abort', aborted)
    }
    const end = this.#end ?? { thrown: undefined }
    if (!('once' in end)) {
      await this.#shell.stop()
      throw end.thrown
    }
    await this.#shell.complete()
    return end.once
  }

  /** A timer that is longer than timers can be is set several times. Returns how to cancel it. */
  #waitFor(waitMs: number): () => void {
    const { clock, unref } = this.#settings
    const until = clock.mono() + waitMs
    let cancel = () => {}
    const arm = () => {
      const leftMs = until - clock.mono()
      if (leftMs > 0) cancel = clock.timer(Math.min(Math.ceil(leftMs), MAX_TIMER_MS), arm, !unref)
      else this.#waited()
    }
    arm()
    return () => cancel()
  }

  async #begin(): Promise<void> {
    const ledger = await this.#firstLook()
    if (!ledger || this.#end) return
    // Without a version only a run counts that comes to its end from now on.
    this.#before = ledger.run
    if (this.#isDone(ledger)) return this.#finish({ once: { ran: false } })
    this.#shell.on('leader', (leader) => {
      if (!leader?.isMe) void this.#look()
    })
    this.#shell.on('deposed', (tenure) => {
      if (this.#failure?.tenure === tenure) this.#finish(this.#failure)
    })
    await this.#shell.start()
  }

  /** The work of the candidate. */
  async #lead(tenure: Tenure): Promise<void> {
    const ledger = await this.#persist(tenure, () => this.#read())
    if (!ledger || this.#end) return
    if (this.#isDone(ledger)) return this.#finish({ once: { ran: false } })
    if (ledger === unwritten) return this.#open(tenure)
    this.#running = true
    try {
      const value = await this.#work(tenure)
      const done = tenure.held && (await this.#note(tenure, noted(ledger, tenure.fencingToken, this.#parts.version)))
      if (done) this.#finish({ once: { ran: true, value } })
    } finally {
      this.#running = false
      if (this.#late && !this.#failure) this.#waited()
    }
  }

  /**
   * Write the first memo of all, so that missing rights show before the work. Not in the tenure that works: a write whose
   * answer was lost, or a second copy of it, may land for as long as its lease lives, and would undo the note of the run.
   * So one tenure writes one text, whichever copy of it comes last.
   */
  async #open(tenure: Tenure): Promise<void> {
    if (await this.#note(tenure, unwritten)) void tenure.stepDown({ cooldownMs: 0 })
  }

  async #work(tenure: Tenure): Promise<T> {
    try {
      return await this.#parts.work(tenure)
    } catch (thrown) {
      // What fails after its tenure did not fail.
      if (tenure.held) this.#failure = { tenure, thrown }
      throw thrown
    }
  }

  /** Write the memo, for as long as the tenure is held. False: it was not, and somebody else has the word. */
  async #note(tenure: Tenure, ledger: Ledger): Promise<boolean> {
    const { memo } = this.#parts
    const written = await this.#persist(tenure, () => this.#ask('memo.write', (signal) => memo.write(tenure, encodeLedger(ledger), signal)))
    // The store knows better than our deadline: stand again, and look again.
    if (written === false) void tenure.stepDown({ cooldownMs: 0 })
    return written === true
  }

  /** Ask until there is an answer, for as long as the tenure is held. */
  async #persist<A>(tenure: Tenure, question: () => Promise<A>): Promise<A | undefined> {
    while (tenure.held && !this.#end) {
      try {
        return await question()
      } catch (thrown) {
        if (!this.#isPassing(thrown)) this.#finish({ thrown })
        if (this.#end) return undefined
        await tenure.sleep(longestPauseMs(this.#settings.timing))
      }
    }
    return undefined
  }

  /** What was done before this call. Rejects where the store refuses. */
  async #firstLook(): Promise<Ledger | undefined> {
    const { timing, clock } = this.#settings
    for (let failures = 1; !this.#end; failures++) {
      try {
        return await this.#read()
      } catch (thrown) {
        if (!this.#isPassing(thrown)) throw thrown
        if (!this.#end) await this.#pause(backoffMs(timing, failures, clock.random()))
      }
    }
    return undefined
  }

  /** Somebody else leads than before: perhaps the run is done. */
  async #look(): Promise<void> {
    this.#lookAgain = true
    if (this.#looking) return
    this.#looking = true
    while (this.#lookAgain && !this.#end) {
      this.#lookAgain = false
      try {
        if (this.#isDone(await this.#read())) this.#finish({ once: { ran: false } })
      } catch (thrown) {
        if (!this.#isPassing(thrown)) this.#finish({ thrown })
        this.#lookAgain = true
        if (!this.#end) await this.#pause(this.#settings.timing.retryMs)
      }
    }
    this.#looking = false
  }

  #isDone({ run, versions }: Ledger): boolean {
    const { version } = this.#parts
    return version === undefined ? run > this.#before : versions.includes(version)
  }

  /** Whether it is worth asking again. Tells of it. */
  #isPassing(thrown: unknown): boolean {
    if (!(thrown instanceof TenureError) || thrown.code !== 'store-unreachable') return false
    const { election, id } = this.#settings
    if (!this.#end) this.#troubles.report(thrown, { election, candidate: id })
    return true
  }

  async #read(): Promise<Ledger> {
    const { name, memo } = this.#parts
    return decodeLedger(name, await this.#ask('memo.read', (signal) => memo.read(name, signal)))
  }

  /** A call that ends with our timer, whatever the driver does. */
  async #ask<A>(verb: string, call: (signal: AbortSignal) => Promise<A>): Promise<A> {
    const { store, clock, timing, unref, election } = this.#settings
    const limit = new AbortController()
    const late = () => limit.abort(new Error(`of \`${election}\` was not answered within ${timing.callMs} ms`))
    const ended = () => limit.abort(new Error('is not waited for any more'))
    const cancel = clock.timer(timing.callMs, late, !unref)
    this.#life.signal.addEventListener('abort', ended)
    try {
      return await bounded(limit.signal, call(limit.signal))
    } catch (thrown) {
      throw asStoreError(store.name, verb, thrown)
    } finally {
      cancel()
      this.#life.signal.removeEventListener('abort', ended)
    }
  }

  /** The time to wait for others is over; a run of our own is seen to its end. */
  #waited(): void {
    this.#late = true
    if (this.#running) return
    const message = `\`${this.#parts.name}\` was not done within ${this.#parts.waitMs} ms`
    this.#finish({ thrown: new TenureError('not-done', message) })
  }

  #pause(ms: number): Promise<void> {
    const { clock, unref } = this.#settings
    return new Promise((resolve) => {
      const over = () => {
        cancel()
        this.#life.signal.removeEventListener('abort', over)
        resolve()
      }
      const cancel = clock.timer(Math.ceil(ms), over, !unref)
      this.#life.signal.addEventListener('abort', over)
    })
  }

  /** The first end counts. */
  #finish(end: End<T>): void {
    if (this.#end) return
    this.#end = end
    this.#life.abort()
    this.#endOf()
  }
}

/** Wait for an answer, but no longer than the signal; what comes later is nobody's. */
function bounded<A>(signal: AbortSignal, answer: Promise<A>): Promise<A> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    answer.then(resolve, reject)
  })
}
