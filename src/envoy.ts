/**
 * Carries the calls of the machine to the store and brings the answers back. Here, and only here, the words of the
 * election (candidate, attempt) meet the words of the store (holder, lease). It may assume nothing of a store but its
 * contract; an answer that makes no sense is no answer.
 */

import { asStoreError, TenureError } from './errors.ts'
import type { Settings } from './options.ts'
import { type CallSign, Trace } from './signs.ts'
import type { Call, Input } from './states.ts'
import type { Bid, Lease } from './store.ts'

export interface EnvoyListener {
  /** The store has answered, perhaps long after it was given up. */
  answered(answer: Input): void
  /** Nobody knows what became of the call. */
  failed(call: Call, error: TenureError): void
  /** Who asks, and for which tenure, for those who trace it. */
  signOf(call: Call): CallSign
  /** Somebody else's lease, or nobody's, as the store told it. */
  learned(lease: Lease | undefined, call: Call): void
}

interface Waiting {
  readonly controller: AbortController
  readonly trace: Trace | undefined
}

export class Envoy {
  readonly #settings: Settings
  readonly #listener: EnvoyListener
  /** Together with the number of an attempt it makes a holder that nobody has had before. */
  readonly #instance: string
  /** Mostly there is none, and then there is no map. */
  #waiting: Map<number, Waiting> | undefined

  constructor(settings: Settings, listener: EnvoyListener) {
    this.#settings = settings
    this.#listener = listener
    this.#instance = settings.clock.id()
  }

  /** Ask the store. Who is `awaited` is given up by the machine; any other call is given up here, in its time. */
  send(call: Call, awaited: boolean): void {
    const controller = new AbortController()
    this.#waiting ??= new Map()
    const trace = Trace.begin(call.verb, () => this.#listener.signOf(call))
    this.#waiting.set(call.number, { controller, trace })
    const { clock, unref } = this.#settings
    const cancel = awaited ? undefined : clock.timer(call.limitMs, () => this.#listener.failed(call, this.abandon(call)), !unref)
    this.#ask(call, controller.signal).then(
      (answer) => {
        cancel?.()
        trace?.done(outcomeOf(call, answer))
        this.#forget(call)
        this.#listener.answered(answer)
      },
      (thrown: unknown) => {
        cancel?.()
        // A call that was given up has been reported already.
        if (!this.#forget(call)) return
        const error = asStoreError(this.#settings.store.name, call.verb, thrown)
        trace?.failed(error)
        this.#listener.failed(call, error)
      },
    )
  }

  /** Wait no longer. What is answered all the same is still told. Returns what is to be said about it. */
  abandon(call: Call): TenureError {
    const { store, election } = this.#settings
    const message = `${store.name}: ${call.verb} of \`${election}\` was not answered within ${Math.round(call.limitMs)} ms`
    const error = new TenureError('store-unreachable', message)
    const waiting = this.#forget(call)
    waiting?.controller.abort(error)
    waiting?.trace?.failed(error)
    return error
  }

  /** Nobody waits for this call any more. */
  #forget(call: Call): Waiting | undefined {
    const waiting = this.#waiting?.get(call.number)
    this.#waiting?.delete(call.number)
    if (this.#waiting?.size === 0) this.#waiting = undefined
    return waiting
  }

  async #ask(call: Call, signal: AbortSignal): Promise<Input> {
    const { store, election, id, timing, advert } = this.#settings
    const holder = `${this.#instance}-${call.attempt}`
    const bid: Bid = { election, holder, candidate: id, ttlMs: timing.ttlMs, advert }
    switch (call.verb) {
      case 'acquire':
        return this.#judge(call, holder, await store.acquire(bid, signal))
      case 'read':
        return this.#judge(call, holder, await store.read(election, signal))
      case 'renew': {
        const grantedMs = await store.renew(bid, signal)
        if (!(grantedMs >= 0)) throw this.#nonsense(call, `granted ${String(grantedMs)}`)
        return { type: 'renewed', call, grantedMs }
      }
      case 'release':
        await store.release({ election, holder }, signal)
        return { type: 'released', call }
      default:
        return call.verb satisfies never
    }
  }

  #judge(call: Call, holder: string, answer: Lease | undefined): Input {
    if (answer && !(Number.isSafeInteger(answer.fencingToken) && answer.remainingMs >= 0)) {
      throw this.#nonsense(call, `a lease with token ${String(answer.fencingToken)} and ${String(answer.remainingMs)} ms left`)
    }
    const lease = answer && answer.remainingMs > 0 ? answer : undefined
    if (lease?.holder === holder) {
      if (call.verb === 'acquire') return { type: 'won', call, fencingToken: lease.fencingToken, grantedMs: lease.remainingMs }
      return { type: 'refused', call, rivalToken: undefined, freeInMs: lease.remainingMs }
    }
    this.#listener.learned(lease, call)
    return { type: 'refused', call, rivalToken: lease?.fencingToken, freeInMs: lease?.remainingMs ?? 0 }
  }

  #nonsense(call: Call, answer: string): TenureError {
    return new TenureError('store-unfit', `${this.#settings.store.name}: ${call.verb} answered ${answer}`)
  }
}

/** For those who trace it. A renewal that grants nothing is a refusal. */
function outcomeOf(call: Call, answer: Input): string {
  if (call.verb === 'read') return 'done'
  return answer.type === 'renewed' && answer.grantedMs <= 0 ? 'refused' : answer.type
}
