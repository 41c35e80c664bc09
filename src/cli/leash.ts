/**
 * What ends the tree of one child: a signal passed on, SIGTERM when leadership is lost or the command left something
 * behind, and SIGKILL when the time for that is over. The guard holds the same last instant, and whoever is first ends
 * the tree. It must never return before the tree has ended.
 */

import { after } from './after.ts'
import { type ProcessTree, send } from './tree.ts'

export class Leash {
  readonly tree: ProcessTree
  #killing = false
  #cancel: () => void = () => {}
  #killAt = Number.POSITIVE_INFINITY

  constructor(tree: ProcessTree) {
    this.tree = tree
  }

  /** Whether it has come to SIGKILL. */
  get isKilling(): boolean {
    return this.#killing
  }

  /** SIGTERM to the whole tree, SIGKILL so much later. Returns how many processes there were. */
  end(killInMs: number): number {
    const members = this.tree.signal('SIGTERM')
    // What is stopped would not hear of it.
    for (const { pid } of members) send(pid, 'SIGCONT')
    this.killIn(killInMs)
    return members.length
  }

  /** SIGKILL in so many milliseconds, unless it is due before. */
  killIn(ms: number): void {
    const at = performance.now() + ms
    if (at >= this.#killAt) return
    this.#killAt = at
    this.#cancel()
    if (ms > 0) this.#cancel = after(ms, () => this.#kill())
    else this.#kill()
  }

  /** Resolves when no process of the tree is left. */
  async slack(): Promise<void> {
    await this.tree.gone(() => this.#killing)
    this.#cancel()
    this.#killAt = Number.NEGATIVE_INFINITY
  }

  #kill(): void {
    this.#killing = true
    this.tree.kill()
  }
}
