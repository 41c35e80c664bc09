/**
 * The one who listens: passes on what each connection says to all of them, and tells whose connection has ended. It
 * listens under a fresh name that is then renamed to the one that all know, so that whoever was there before loses it in
 * one step; a hub that finds another's socket under that name ends, and its connections go there.
 */

import { chmod, lstat, mkdir, rename, unlink } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Clock } from '../../../clock.ts'
import { isOversized } from '../../bus.ts'
import { readLines, type Words, writeLine } from './lines.ts'

/** How often a hub looks whether the name is still its own, in milliseconds. */
const LOOK_MS = 1000

export interface HubParts {
  readonly path: string
  readonly clock: Clock
  ignored(why: 'garbage' | 'oversized'): void
}

/** What is found under a name: two sockets that are one by this are one. `undefined`: nothing. */
export async function identityOf(path: string): Promise<string | undefined> {
  try {
    // A new one may get the number of an old one; renaming changes neither.
    const { dev, ino, mtimeNs } = await lstat(path, { bigint: true })
    return `${dev}:${ino}:${mtimeNs}`
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT' || codeOf(thrown) === 'ENOTDIR') return undefined
    throw thrown
  }
}

export class Hub {
  readonly #parts: HubParts
  readonly #server: Server
  readonly #peers = new Map<Socket, readonly string[]>()
  #hosts: readonly string[] = []
  #identity: string | undefined
  #cancelLook = () => {}
  #isOver = false

  private constructor(parts: HubParts) {
    this.#parts = parts
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.unref()
    // A connection that cannot be accepted waits.
    this.#server.on('error', () => this.#look())
  }

  /**
   * Listen in the place of what was found there before. Resolves with `undefined` if somebody else was quicker: connect
   * again.
   */
  static async begin(parts: HubParts, before: string | undefined): Promise<Hub | undefined> {
    const hub = new Hub(parts)
    const { path } = parts
    const fresh = `${path}.${parts.clock.id().slice(0, 6)}`
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await hub.#listen(fresh)
    try {
      await chmod(fresh, 0o600)
      const identity = await identityOf(fresh)
      if ((await identityOf(path)) === before) {
        await rename(fresh, path)
        hub.#identity = identity
        hub.#lookLater()
        return hub
      }
    } catch (thrown) {
      hub.#end()
      throw thrown
    }
    hub.#end()
    await unlinkIfThere(fresh)
    return undefined
  }

  /** Who takes part through this process. */
  host(names: readonly string[]): void {
    this.#hosts = names
    for (const socket of this.#peers.keys()) this.#say(socket, { hosts: names })
  }

  async close(): Promise<void> {
    if (this.#isOver) return
    const { path } = this.#parts
    const identity = this.#identity
    this.#end()
    // What is there now may be somebody else's. Between the look and the removal it may become so: they will notice.
    if (identity !== undefined && (await identityOf(path)) === identity) await unlinkIfThere(path)
  }

  #listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      // In a cluster the primary would own the socket otherwise, and outlive the worker.
      this.#server.listen({ path, exclusive: true }, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
  }

  #accept(socket: Socket): void {
    socket.unref()
    this.#peers.set(socket, [])
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#gone(socket))
    readLines(socket, {
      heard: (words) => this.#heard(socket, words),
      ignored: (why) => this.#parts.ignored(why),
    })
    this.#say(socket, { hosts: this.#hosts })
  }

  #heard(socket: Socket, { names, text, number, ping }: Words): void {
    if (names) {
      const gone = this.#peers.get(socket)?.filter((name) => !names.includes(name)) ?? []
      this.#peers.set(socket, names)
      for (const name of gone) this.#tell({ closed: name })
    }
    if (ping !== undefined) this.#say(socket, { ping })
    if (text === undefined) return
    if (isOversized(text)) this.#parts.ignored('oversized')
    else this.#tell({ text })
    if (number !== undefined) this.#say(socket, { number })
  }

  #gone(socket: Socket): void {
    const names = this.#peers.get(socket) ?? []
    this.#peers.delete(socket)
    if (this.#isOver) return
    for (const name of names) this.#tell({ closed: name })
  }

  #tell(words: Words): void {
    for (const socket of this.#peers.keys()) this.#say(socket, words)
  }

  #say(socket: Socket, words: Words): void {
    // One that cannot be told anything any more has gone, or is gone now.
    writeLine(socket, words).catch(() => socket.destroy())
  }

  #lookLater(): void {
    this.#cancelLook = this.#parts.clock.timer(LOOK_MS, () => this.#look(), false)
  }

  #look(): void {
    this.#cancelLook()
    if (this.#isOver || this.#identity === undefined) return
    identityOf(this.#parts.path).then(
      (found) => {
        if (this.#isOver) return
        if (found === this.#identity) this.#lookLater()
        else this.#end()
      },
      () => this.#lookLater(),
    )
  }

  #end(): void {
    this.#isOver = true
    this.#cancelLook()
    this.#server.close()
    // What has been said to them is still brought to them.
    for (const socket of this.#peers.keys()) socket.destroySoon()
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (thrown) {
    if (codeOf(thrown) !== 'ENOENT' && codeOf(thrown) !== 'ENOTDIR') throw thrown
  }
}

export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}
