/**
 * A bus over a Unix socket, for all processes of one host that may open it. Each connects to whoever listens; where
 * nobody does, because it was the first or because the one who listened has died or is frozen, one of them takes over.
 * What is said meanwhile is lost.
 */

import { connect, type Socket } from 'node:net'
import { isAbsolute } from 'node:path'
import { type Clock, systemClock } from '../../clock.ts'
import { badOption } from '../../errors.ts'
import { checkClock, checkKnown } from '../../options.ts'
import type { Bus } from '../bus.ts'
import { type Link, type LinkEnds, linkedBus } from './shared/linked.ts'
import { codeOf, Hub, identityOf } from './unix-socket/hub.ts'
import { readLines, type Words, writeLine } from './unix-socket/lines.ts'

/** Where the socket is. */
export interface UnixSocketBusOptions {
  /**
   * An absolute path of at most 100 bytes (macOS: 96); the same for all who shall hear each other. Its directory is made if
   * it is missing, for this user alone.
   */
  readonly path: string
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/** The longest path that fits into the address of a socket, with an ending for the moment of taking over. */
const LONGEST_PATH = (process.platform === 'linux' ? 107 : 103) - 7
/** One that listens and does not greet within this time is frozen. */
const GREETING_MS = 1000
/** So often in a row somebody else may be quicker before the bus is called down. */
const MOST_TRIES = 10

/** A bus for the processes of one host. Throws a `TenureError` of code `bad-option`, also on Windows. */
export function unixSocketBus(options: UnixSocketBusOptions): Bus {
  checkKnown(options, { path: true, clock: true })
  const { path, clock = systemClock } = options
  checkClock(clock)
  if (process.platform === 'win32') throw badOption('path', 'used on a system with Unix sockets', path)
  if (typeof path !== 'string' || !isAbsolute(path) || path.includes('\0')) throw badOption('path', 'an absolute path', path)
  if (Buffer.byteLength(path) > LONGEST_PATH)
    throw badOption('path', `at most ${LONGEST_PATH} bytes long, as addresses of sockets are`, path)
  return linkedBus({ name: 'unix-socket', clock, open: (ends) => new UnixLink(path, clock, ends) })
}

class UnixLink implements Link {
  readonly #path: string
  readonly #clock: Clock
  readonly #ends: LinkEnds
  #names: readonly string[] = []
  #hub: Hub | undefined
  #socket: Socket | undefined
  /** Who takes part through the process that listens. */
  #hosts: readonly string[] = []
  #pong: (() => void) | undefined
  /** Texts that have not been passed on yet, by number. */
  readonly #sending = new Map<number, { resolve(): void; reject(thrown: unknown): void }>()
  #sent = 0
  #isOver = false

  constructor(path: string, clock: Clock, ends: LinkEnds) {
    this.#path = path
    this.#clock = clock
    this.#ends = ends
    this.#begin()
  }

  /** Resolves when it has been passed on: who listens may be this process, and about to end. */
  send(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#socket) return reject(new Error('not connected'))
      this.#sent += 1
      const number = this.#sent
      this.#sending.set(number, { resolve, reject })
      writeLine(this.#socket, { text, number }).catch((thrown: unknown) => {
        this.#sending.delete(number)
        reject(thrown)
      })
    })
  }

  present(names: readonly string[]): void {
    this.#names = names
    this.#hub?.host(names)
    this.#introduce()
  }

  async check(): Promise<void> {
    const socket = this.#socket
    // Just being connected again.
    if (!socket) return
    await new Promise<void>((resolve, reject) => {
      this.#pong = resolve
      writeLine(socket, { ping: 1 }).catch(reject)
    })
  }

  close(): void {
    this.#isOver = true
    this.#socket?.destroy()
    this.#endHub()
  }

  #begin(): void {
    this.#reach().catch((thrown: unknown) => {
      if (!this.#isOver) this.#ends.lost(thrown)
    })
  }

  /** Connect to whoever listens, or listen and connect to oneself. */
  async #reach(): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES && !this.#isOver; tries++) {
      const before = await identityOf(this.#path)
      const socket = before === undefined ? undefined : await this.#greeted()
      if (socket) return this.#use(socket)
      if (this.#isOver) return
      this.#endHub()
      const hub = await Hub.begin({ path: this.#path, clock: this.#clock, ignored: (why) => this.#ends.ignored(why) }, before)
      this.#hub = hub
      hub?.host(this.#names)
      if (this.#isOver) this.#endHub()
    }
    if (!this.#isOver) throw new Error('nobody stays to listen')
  }

  /** A connection to one that listens and lives; `undefined` if there is none. */
  #greeted(): Promise<Socket | undefined> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: this.#path })
      socket.unref()
      const over = (outcome: Socket | undefined) => {
        cancel()
        if (!outcome) socket.destroy()
        resolve(outcome)
      }
      const late = () => this.#clock.afterPending(() => over(undefined))
      const cancel = this.#clock.timer(GREETING_MS, late, true)
      socket.once('close', () => over(undefined))
      socket.on('error', (error) => {
        const code = codeOf(error)
        if (code === 'EACCES' || code === 'EPERM' || code === 'EMFILE') {
          cancel()
          reject(error)
        }
      })
      let isGreeted = false
      readLines(socket, {
        heard: (words) => {
          if (words.hosts && !isGreeted) {
            isGreeted = true
            this.#hosts = words.hosts
            over(socket)
          } else if (isGreeted) this.#heard(socket, words)
        },
        ignored: (why) => this.#ends.ignored(why),
      })
    })
  }

  #use(socket: Socket): void {
    if (this.#isOver || socket.destroyed) {
      socket.destroy()
      if (!this.#isOver) this.#begin()
      return
    }
    this.#socket = socket
    socket.on('close', () => {
      this.#socket = undefined
      for (const { reject } of this.#sending.values()) reject(new Error('the connection was closed'))
      this.#sending.clear()
      if (this.#isOver) return
      // With the process that listened, all who took part through it are gone.
      for (const name of this.#hosts) if (!this.#names.includes(name)) this.#ends.closed(name)
      this.#hosts = []
      this.#begin()
    })
    this.#introduce()
    this.#ends.up()
  }

  #heard(socket: Socket, { hosts, text, number, closed, ping }: Words): void {
    if (socket !== this.#socket) return
    if (hosts) this.#hosts = hosts
    if (text !== undefined) this.#ends.heard(text)
    if (closed !== undefined) this.#ends.closed(closed)
    if (ping !== undefined) this.#pong?.()
    if (number === undefined) return
    this.#sending.get(number)?.resolve()
    this.#sending.delete(number)
  }

  #introduce(): void {
    if (!this.#socket) return
    // A connection that fails now tells of it by being closed.
    writeLine(this.#socket, { names: this.#names }).catch(() => this.#socket?.destroy())
  }

  #endHub(): void {
    const hub = this.#hub
    this.#hub = undefined
    hub?.close().catch(this.#ends.lost)
  }
}
