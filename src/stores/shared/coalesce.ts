/**
 * Many calls, one round trip: gathers the calls made in one turn of the loop, so that a process that stands in ten
 * thousand elections costs its store a handful of statements. It may assume that a batch answers every request it can
 * tell about, in order. It must never let a call join a batch that has left, put one election into a batch twice, take
 * silence about a request for an answer, or let one election fail its neighbours.
 */

export interface CoalesceParts<Request, Answer extends Definite> {
  /** The election a request is about. */
  nameOf(request: Request): string
  /**
   * One round trip for requests of different elections, ordered by name, so that two processes never lock the same rows
   * in opposite orders. Resolves with as many answers, in that order; `undefined` where this trip cannot tell.
   * The signal is aborted once nobody waits for any of them; `isWanted` tells whether somebody still waits for the one at
   * this index, for a trip that is made again.
   */
  many(requests: readonly Request[], signal: AbortSignal, isWanted: (index: number) => boolean): Promise<readonly (Answer | undefined)[]>
  /** One request by itself, where a batch could not tell or has failed: this answer, or error, counts. */
  alone(request: Request, signal: AbortSignal): Promise<Answer>
  /** Call `leave` when the calls of this turn have all been made, e.g. `clock.afterPending`. */
  turn(leave: () => void): void
  /** The largest batch. @default 1000 */
  readonly most?: number | undefined
  /** So many batches are in the air at most; meanwhile calls gather. @default Infinity */
  readonly atOnce?: number | undefined
  /** Whether the members of a batch that failed like this are asked singly; else the error is told to each. @default always */
  splits?(error: unknown): boolean
}

/** What an answer can be: anything but `undefined`, which means that there was none. */
export type Definite = NonNullable<unknown> | null

/** A call that somebody waits for. */
interface Call<Request, Answer extends Definite> {
  readonly request: Request
  readonly name: string
  readonly signal: AbortSignal
  /** Nobody waits any more: answered, failed or aborted. */
  settled: boolean
  /** Tells the batch that nobody waits for this member. */
  left: () => void
  settle(settle: () => void): void
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** Gathers calls of one verb of one store. */
export class Coalescer<Request, Answer extends Definite> {
  readonly #parts: CoalesceParts<Request, Answer>
  readonly #most: number
  readonly #atOnce: number
  #gathered: Call<Request, Answer>[] = []
  #turning = false
  #flying = 0

  constructor(parts: CoalesceParts<Request, Answer>) {
    this.#parts = parts
    this.#most = parts.most ?? 1000
    this.#atOnce = parts.atOnce ?? Number.POSITIVE_INFINITY
  }

  /** Ask the store, together with others. Rejects promptly when the signal is aborted; what has not left never leaves then. */
  ask(request: Request, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const aborted = () => call.reject(signal.reason)
      const call: Call<Request, Answer> = {
        request,
        name: this.#parts.nameOf(request),
        signal,
        settled: false,
        left: () => {},
        settle(then) {
          if (call.settled) return
          call.settled = true
          signal.removeEventListener('abort', aborted)
          then()
          call.left()
        },
        resolve: (answer) => call.settle(() => resolve(answer)),
        reject: (error) => call.settle(() => reject(error)),
      }
      signal.addEventListener('abort', aborted, { once: true })
      this.#gathered.push(call)
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#turning || this.#gathered.length === 0 || this.#flying >= this.#atOnce) return
    this.#turning = true
    this.#parts.turn(() => {
      this.#turning = false
      const batch = this.#take()
      if (batch.length > 0) void this.#fly(batch)
      this.#schedule()
    })
  }

  /** The next batch: the oldest calls, one of each election, ordered by name. */
  #take(): Call<Request, Answer>[] {
    const batch = new Map<string, Call<Request, Answer>>()
    const later: Call<Request, Answer>[] = []
    for (const call of this.#gathered) {
      if (call.settled) continue
      if (batch.size < this.#most && !batch.has(call.name)) batch.set(call.name, call)
      else later.push(call)
    }
    this.#gathered = later
    return [...batch.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async #fly(batch: readonly Call<Request, Answer>[]): Promise<void> {
    this.#flying += 1
    const { signal, landed } = awaited(batch)
    try {
      const requests = batch.map(({ request }) => request)
      const isWanted = (index: number) => batch[index]?.settled === false
      const answers = await this.#parts.many(requests, signal, isWanted).finally(landed)
      batch.forEach((call, index) => {
        const answer = answers[index]
        if (answer === undefined) this.#alone(call)
        else call.resolve(answer)
      })
    } catch (error) {
      // Alone already: asking again would be a second try, and that is for the caller to decide.
      const split = batch.length > 1 && (this.#parts.splits?.(error) ?? true)
      for (const call of batch) {
        if (split) this.#alone(call)
        else call.reject(error)
      }
    } finally {
      this.#flying -= 1
      this.#schedule()
    }
  }

  #alone(call: Call<Request, Answer>): void {
    if (call.settled) return
    this.#parts.alone(call.request, call.signal).then(call.resolve, call.reject)
  }
}

/** A signal that is aborted once nobody waits for any of these calls, unless they have landed before. */
function awaited(batch: readonly { left: () => void; readonly signal: AbortSignal }[]): { signal: AbortSignal; landed: () => void } {
  const controller = new AbortController()
  let waiting = batch.length
  for (const call of batch) {
    call.left = () => {
      waiting -= 1
      if (waiting === 0) controller.abort(call.signal.reason)
    }
  }
  const landed = () => {
    waiting = Number.POSITIVE_INFINITY
  }
  return { signal: controller.signal, landed }
}
