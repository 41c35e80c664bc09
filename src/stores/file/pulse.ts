/**
 * Tells the stores of followers, and never a follower, that a lease was renewed. Who only looks now and then sees a
 * renewal late, and waits for the end of a lease from then; who sees each one when it is made waits no longer than the
 * ttl after the last. A hint and nothing more: without it a frozen leader is superseded up to a ttl later.
 */

import type { FSWatcher } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { codeOf, type Disk } from './disk.ts'

export interface PulseParts {
  readonly disk: Disk
  readonly clock: Clock
  readonly dir: string
  /** Look at the lease, for what is known of it. */
  look(): Promise<void>
}

export class Pulse {
  readonly #parts: PulseParts
  #watcher: FSWatcher | undefined
  #looking = false
  /** A beat was felt that the look under way may have come too early for. */
  #missed = false

  constructor(parts: PulseParts) {
    this.#parts = parts
  }

  /** The lease was renewed. */
  async beat(): Promise<void> {
    const { disk, clock } = this.#parts
    await disk.touch(this.#path, clock.wall()).catch(() => {})
  }

  /** Feel each beat from now on. */
  async feel(): Promise<void> {
    const { disk, clock } = this.#parts
    try {
      await disk.identity(this.#path).catch((thrown: unknown) => {
        if (codeOf(thrown) !== 'ENOENT') throw thrown
        return disk.touch(this.#path, clock.wall())
      })
      this.rest()
      this.#watcher = disk.watch(this.#path, () => void this.#felt())
      this.#watcher.on('error', () => this.rest())
    } catch {
      // No watch to be had: renewals are seen when somebody looks.
      this.rest()
    }
  }

  rest(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  get #path(): string {
    return join(this.#parts.dir, 'pulse')
  }

  async #felt(): Promise<void> {
    this.#missed = this.#looking
    if (this.#looking) return
    this.#looking = true
    // Whoever asks next is told what is wrong.
    await this.#parts.look().catch(() => {})
    this.#looking = false
    if (this.#missed) await this.#felt()
  }
}
