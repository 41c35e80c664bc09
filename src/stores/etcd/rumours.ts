/**
 * What was last heard of elections, in a look or by the watch: whether somebody has them. It spares requests and proves
 * nothing, so that the oldest may be forgotten: a watch tells of elections in which nobody here will ever stand.
 */

/** Of so many elections; more cost one look each. */
const MOST = 20_000

export class Rumours {
  readonly #heard = new Map<string, 'taken' | 'vacant'>()
  readonly #most: number

  constructor(most = MOST) {
    this.#most = most
  }

  /** It is somebody else's: a bid looks before it prolongs or grants a lease. */
  taken(election: string): void {
    this.#hear(election, 'taken')
  }

  /** It has just become free: a bid need not look. */
  vacant(election: string): void {
    this.#hear(election, 'vacant')
  }

  forget(election: string): void {
    this.#heard.delete(election)
  }

  about(election: string): 'taken' | 'vacant' | undefined {
    return this.#heard.get(election)
  }

  #hear(election: string, what: 'taken' | 'vacant'): void {
    this.#heard.delete(election)
    this.#heard.set(election, what)
    const [oldest] = this.#heard.keys()
    if (this.#heard.size > this.#most && oldest !== undefined) this.#heard.delete(oldest)
  }
}
