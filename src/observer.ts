/**
 * Follow an election without standing in it. It only reads, and what it tells is for people and for finding the leader.
 */

import { type Clock, systemClock } from './clock.ts'
import { asStoreError, messageOf, TenureError } from './errors.ts'
import { Emitter, type Leader } from './events.ts'
import { Knowledge, seenOf } from './knowledge.ts'
import {
  checkClock,
  checkElection,
  checkKnown,
  checkLogger,
  checkSignal,
  checkStore,
  checkType,
  type Logger,
  warn,
  whole,
} from './options.ts'
import type { Lease, LeaseStore } from './store.ts'
import { backoffMs, lookAgainMs } from './timing.ts'
import { Troubles } from './troubles.ts'
import { Watch } from './watch.ts'

/** Durations are whole milliseconds. */
export interface ObserveOptions {
  /** Where the lease is kept. Whoever made it closes it. */
  readonly store: LeaseStore
  /** Aborting it ends the iteration. */
  readonly signal?: AbortSignal | undefined
  /**
   * The longest pause between looks, jittered; three times as long while a watch tells of changes, and at most a second
   * while nobody leads. @default 5000, or the store's own
   */
  readonly retryMs?: number | undefined
  /** The longest that a look may take. @default half of `retryMs` */
  readonly callMs?: number | undefined
  /** Told of everything that went wrong and is being dealt with. */
  readonly onTrouble?: ((error: TenureError) => void) | undefined
  /** Told of trouble, once a minute and code. */
  readonly logger?: Logger | undefined
  /** Time and chance, for tests. */
  readonly clock?: Clock | undefined
  /** Let the process end although somebody observes. @default false */
  readonly unref?: boolean | undefined
}

const known: Record<keyof ObserveOptions, true> = {
  store: true,
  signal: true,
  retryMs: true,
  callMs: true,
  onTrouble: true,
  logger: true,
  clock: true,
  unref: true,
}

/**
 * Who leads: the present state first, then every change, `undefined` for nobody. Survives errors of the store; ends
 * when `signal` is aborted or the loop is left. Throws a `TenureError` of code `bad-option` at once, and rejects where
 * the store refuses to serve (`store-denied`, `store-unfit`) at the first look.
 */
export function observe(election: string, options: ObserveOptions): AsyncIterableIterator<Leader | undefined> {
  checkKnown(options, known)
  const retryMs = whole('retryMs', options.retryMs ?? options.store?.timing?.retryMs ?? 5000, 1)
  const clock = checkClock(options.clock ?? systemClock)
  const logger = checkLogger(options.logger)
  const onTrouble = checkType('onTrouble', options.onTrouble, 'function', 'a function')
  const listeners = new Emitter<{ trouble: [error: TenureError] }>(
    { trouble: true },
    {
      listenerFailed: (_, thrown) => warn(logger, `onTrouble failed: ${messageOf(thrown)}`, 'listener-failed'),
    },
  )
  if (onTrouble) listeners.on('trouble', onTrouble)
  const observer = new Observer({
    election: checkElection(election),
    store: checkStore(options.store),
    retryMs,
    callMs: whole('callMs', options.callMs ?? Math.max(1, Math.floor(retryMs / 2)), 1),
    clock,
    ref: !(checkType('unref', options.unref, 'boolean', 'a boolean') ?? false),
    troubles: new Troubles(clock, logger, {
      told(error) {
        listeners.emit('trouble', error)
        return onTrouble !== undefined
      },
    }),
  })
  return observer.changes(checkSignal(options.signal))
}

interface Parts {
  readonly election: string
  readonly store: LeaseStore
  readonly retryMs: number
  readonly callMs: number
  readonly clock: Clock
  readonly ref: boolean
  readonly troubles: Troubles
}

class Observer {
  readonly #parts: Parts
  readonly #knowledge: Knowledge
  readonly #watch: Watch
  #watched = false
  #nudged = false
  #interrupt: () => void = () => {}

  constructor(parts: Parts) {
    this.#parts = parts
    this.#knowledge = new Knowledge(parts.clock)
    this.#watch = new Watch(parts.store, parts.election, {
      armed: (armed) => {
        this.#watched = armed
      },
      nudge: () => {
        this.#nudged = true
        this.#interrupt()
      },
      lost: (error) => this.#report(error),
    })
  }

  changes(signal: AbortSignal | undefined): AsyncGenerator<Leader | undefined, void, undefined> {
    const ended = new AbortController()
    const end = () => {
      ended.abort()
      this.#interrupt()
    }
    const changes = this.#changes(signal, ended.signal, end)
    const leave = changes.return
    // A generator that waits hears of nothing else: whoever leaves ends the wait first.
    changes.return = (value) => {
      end()
      return leave.call(changes, value)
    }
    return changes
  }

  async *#changes(
    signal: AbortSignal | undefined,
    ended: AbortSignal,
    end: () => void,
  ): AsyncGenerator<Leader | undefined, void, undefined> {
    if (signal?.aborted) return
    signal?.addEventListener('abort', end)
    this.#watch.start()
    try {
      yield* this.#looks(ended)
    } finally {
      signal?.removeEventListener('abort', end)
      this.#watch.stop()
    }
  }

  async *#looks(ended: AbortSignal): AsyncGenerator<Leader | undefined, void, undefined> {
    const { clock, retryMs } = this.#parts
    let told = false
    let failures = 0
    let vacant = 0
    while (!ended.aborted) {
      if (this.#nudged) vacant = 0
      this.#nudged = false
      const askedAt = clock.mono()
      let pauseMs: number
      let news = false
      try {
        const lease = await this.#read(ended)
        if (ended.aborted) return
        this.#watch.storeAnswered()
        failures = 0
        const seen = seenOf(lease)
        news = this.#knowledge.learn(seen, askedAt) || !told
        vacant = seen ? 0 : vacant + 1
        // Where nothing is left nobody leads, although the record still stands: there is no end to wait for.
        pauseMs = lookAgainMs(retryMs, seen && lease?.remainingMs, this.#watched, vacant, clock.random())
      } catch (thrown) {
        if (ended.aborted) return
        const error = asStoreError(this.#parts.store.name, 'read', thrown)
        if (!told && error.code !== 'store-unreachable') throw error
        this.#report(error)
        failures += 1
        pauseMs = backoffMs({ retryMs, ttlMs: 3 * retryMs }, failures, clock.random())
      }
      if (news) {
        told = true
        yield this.#knowledge.leader()
      }
      if (!this.#nudged && !ended.aborted) await this.#pause(pauseMs)
    }
  }

  /** A look that ends with our timer, whatever the driver does. */
  async #read(ended: AbortSignal): Promise<Lease | undefined> {
    const { store, election, callMs, clock, ref } = this.#parts
    const controller = new AbortController()
    let reject: (error: Error) => void = () => {}
    const verdict = new Promise<never>((_, fail) => {
      reject = fail
    })
    const fail = (error: Error) => {
      controller.abort(error)
      reject(error)
    }
    const late = () =>
      fail(new TenureError('store-unreachable', `${store.name}: read of \`${election}\` was not answered within ${callMs} ms`))
    const stop = () => fail(new Error('the observer was stopped'))
    const cancel = clock.timer(callMs, late, ref)
    ended.addEventListener('abort', stop)
    try {
      return await Promise.race([verdict, store.read(election, controller.signal)])
    } finally {
      cancel()
      ended.removeEventListener('abort', stop)
    }
  }

  #pause(ms: number): Promise<void> {
    const { clock, ref } = this.#parts
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#interrupt = () => {}
        resolve()
      }
      const cancel = clock.timer(Math.ceil(ms), done, ref)
      this.#interrupt = done
    })
  }

  #report(error: TenureError): void {
    this.#parts.troubles.report(error, { election: this.#parts.election })
  }
}
