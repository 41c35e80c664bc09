/**
 * Wakes those who wait for an election to change hands. One small file is touched when a lease is taken or given back,
 * and never for a renewal, so that any number of followers sleep through those. A hint and nothing more: where the
 * system has no watch left, the connection to the leader has to do.
 */

import type { FSWatcher } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type { Bond } from './bond.ts'
import { codeOf, type Disk } from './disk.ts'
import { faultOf } from './faults.ts'
import type { Pulse } from './pulse.ts'

export interface BellParts {
  readonly disk: Disk
  readonly clock: Clock
  readonly dir: string
  readonly bond: Pick<Bond, 'hold' | 'let' | 'standing'>
  readonly pulse: Pick<Pulse, 'feel' | 'rest'>
  /** Look who leads, and connect to it. */
  follow(): Promise<void>
}

interface Listener {
  readonly changed: () => void
  readonly lost: (error: unknown) => void
}

export class Bell {
  readonly #parts: BellParts
  readonly #listeners = new Set<Listener>()
  #watcher: FSWatcher | undefined
  #opening: Promise<void> | undefined

  constructor(parts: BellParts) {
    this.#parts = parts
  }

  /** Tell everybody, in every process. */
  async ring(): Promise<void> {
    const { disk, clock } = this.#parts
    // Who is not woken looks by itself, a little later.
    await disk.touch(this.#path, clock.wall()).catch(() => {})
  }

  /** Pending until `signal` is aborted; rejects where nothing can be heard any more. */
  listen(changed: () => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return resolve()
      const listener: Listener = { changed, lost: reject }
      this.#listeners.add(listener)
      const end = () => {
        this.#leave(listener)
        resolve()
      }
      signal.addEventListener('abort', end, { once: true })
      this.#parts.bond.hold()
      this.#open().then(
        () => void (this.#listeners.has(listener) && changed()),
        (thrown: unknown) => {
          signal.removeEventListener('abort', end)
          this.#leave(listener)
          reject(faultOf(thrown, this.#parts.dir))
        },
      )
    })
  }

  /** The connection to the leader has ended: wake those of this process, unless they know more already. */
  ended(known: boolean): void {
    if (!known) for (const { changed } of [...this.#listeners]) changed()
    if (!this.#watcher && !this.#opening) this.#lose(this.#unwatched(undefined))
  }

  /** End all watches. */
  close(): void {
    this.#lose(new TenureError('store-unreachable', 'file: the store was closed'))
  }

  get #path(): string {
    return join(this.#parts.dir, 'bell')
  }

  #open(): Promise<void> {
    if (this.#watcher) return Promise.resolve()
    this.#opening ??= this.#watch().finally(() => {
      this.#opening = undefined
      if (this.#listeners.size === 0) this.#silence()
    })
    return this.#opening
  }

  async #watch(): Promise<void> {
    const { disk, dir, clock, bond, pulse, follow } = this.#parts
    await disk.makeDirectory(dir)
    const identity = await disk.identity(this.#path).catch(async (thrown: unknown) => {
      if (codeOf(thrown) !== 'ENOENT') throw thrown
      await disk.touch(this.#path, clock.wall())
      return disk.identity(this.#path)
    })
    try {
      const watcher = disk.watch(this.#path, (event) => this.#rung(event, identity))
      watcher.on('error', (error) => this.#lose(faultOf(error, dir)))
      this.#watcher = watcher
      await pulse.feel()
    } catch (thrown) {
      await follow()
      if (!bond.standing) throw this.#unwatched(thrown)
    }
  }

  #rung(event: string, identity: string): void {
    for (const { changed } of [...this.#listeners]) changed()
    const { disk, dir } = this.#parts
    const gone = () => this.#lose(new TenureError('store-unreachable', `file: ${dir} was removed while it was in use`))
    if (event === 'rename') return gone()
    disk.identity(this.#path).then(
      (now) => void (now !== identity && gone()),
      () => gone(),
    )
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size === 0) this.#silence()
  }

  #lose(error: unknown): void {
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    this.#silence()
    for (const { lost } of listeners) lost(error)
  }

  #silence(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#parts.pulse.rest()
    this.#parts.bond.let()
  }

  #unwatched(thrown: unknown): TenureError {
    const limits = 'see fs.inotify.max_user_instances and fs.inotify.max_user_watches'
    const code = codeOf(thrown) ?? 'and the connection to the leader has ended'
    return new TenureError('store-unreachable', `file: the system has no watch left for ${this.#parts.dir} (${code}; ${limits})`, {
      cause: thrown,
    })
  }
}
