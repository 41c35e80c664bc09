/**
 * Real servers for tests, benchmarks and demos: started on free loopback ports with a directory of their own, killed,
 * frozen and restarted on demand, and never left behind, not even when the process that asked for them is killed.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { currentRun, harness } from './run.ts'

const BOUND_MS = 30_000

export interface ServerPlan {
  /** What it is, for messages. */
  readonly name: string
  readonly bin: string
  args(directory: string, port: number): readonly string[]
  /** Resolves once the server serves; rejects while it does not yet. Asked again and again. */
  ready(port: number, directory: string): Promise<unknown>
  /** Done once, before the first start, e.g. `initdb`. */
  prepare?(directory: string): Promise<void>
  /** What it says when it ends at its start for a reason that passes by itself: it is started again. */
  readonly passing?: RegExp | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

export class Server {
  readonly port: number
  readonly directory: string
  readonly #plan: ServerPlan
  readonly #place: Reservation
  readonly #keeper: ChildProcess
  #pid = 0
  #said: ((message: Said) => void)[] = []

  constructor(plan: ServerPlan, place: Reservation, directory: string) {
    this.#plan = plan
    this.#place = place
    this.port = place.port
    this.directory = directory
    const keeper = join(harness, 'keeper.mjs')
    // Detached: a Ctrl-C in the terminal must not reach the server before the test has cleaned up.
    this.#keeper = spawn(process.execPath, [keeper, directory], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
    this.#keeper.unref()
    const { stdin, stdout } = this.#keeper
    if (!stdin || !stdout) throw new Error('the keeper has no pipes')
    for (const pipe of [stdin, stdout]) if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
    createInterface({ input: stdout }).on('line', (line) => {
      const message = JSON.parse(line) as Said
      for (const listener of [...this.#said]) listener(message)
    })
  }

  /** The server's own process. */
  get pid(): number {
    return this.#pid
  }

  async start(): Promise<void> {
    for (const end = performance.now() + BOUND_MS; ; ) {
      const before = this.log().length
      try {
        return await this.#startOnce()
      } catch (error) {
        if (!this.#plan.passing?.test(this.log().slice(before)) || performance.now() > end) throw error
      }
      await pause(20)
    }
  }

  async #startOnce(): Promise<void> {
    const { bin, uid, gid, env } = this.#plan
    const started = this.#next((message) => message.pid !== undefined || message.error !== undefined)
    this.#say({ start: { bin, args: this.#plan.args(this.directory, this.port), uid, gid, env } })
    const { pid, error } = await started
    if (pid === undefined) throw new Error(`${this.#plan.name} did not start: ${error}`)
    this.#pid = pid
    let hasEnded = false
    const died = this.#next((message) => message.exit !== undefined).then(() => {
      hasEnded = true
      throw new Error(`${this.#plan.name} ended while starting:\n${this.log().slice(-2000)}`)
    })
    const serves = until(`${this.#plan.name} serves`, () => hasEnded || this.#plan.ready(this.port, this.directory))
    await Promise.race([died, serves])
  }

  /** What the server has written. */
  log(): string {
    const path = join(this.directory, 'server.log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  /** Send a signal and wait for the end: SIGKILL is a crash, SIGTERM mostly a clean stop. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const ended = this.#next((message) => message.exit !== undefined)
    this.#say({ signal })
    await ended
  }

  async restart(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.kill(signal)
    await this.start()
  }

  freeze(): void {
    process.kill(this.#pid, 'SIGSTOP')
  }

  thaw(): void {
    process.kill(this.#pid, 'SIGCONT')
  }

  /** End the server and remove its directory. */
  async close(): Promise<void> {
    this.#place.release()
    const gone = new Promise((resolve) => this.#keeper.on('exit', resolve))
    if (this.#keeper.exitCode !== null) return
    this.#keeper.ref()
    this.#say({ end: true })
    await gone
  }

  #say(message: unknown): void {
    this.#keeper.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  #next(wanted: (message: Said) => boolean): Promise<Said> {
    return new Promise((resolve) => {
      const listener = (message: Said) => {
        if (!wanted(message)) return
        this.#said = this.#said.filter((other) => other !== listener)
        resolve(message)
      }
      this.#said.push(listener)
    })
  }
}

interface Said {
  readonly pid?: number
  readonly error?: string
  readonly exit?: number | null
}

export async function startServer(plan: ServerPlan): Promise<Server> {
  const directory = mkdtempSync(join(currentRun().temporary, `tenure-${plan.name}-`))
  if (plan.uid !== undefined && plan.gid !== undefined) chownSync(directory, plan.uid, plan.gid)
  const server = new Server(plan, await reservePort(), directory)
  try {
    await plan.prepare?.(directory)
    await server.start()
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

/** A port of 127.0.0.1 that nobody else is given. */
export interface Reservation {
  readonly port: number
  /** It is not given to others for another minute. */
  release(): void
}

/**
 * A port on which nobody listens, and which the system gives to nobody who asks for any port, because a connection has it.
 * Who asks for it by its number gets it, with `SO_REUSEADDR`: as a server that is started again gets its own.
 */
export function reservePort(): Promise<Reservation> {
  return new Promise((resolve, reject) => {
    const listener = createServer()
    listener.on('error', reject)
    listener.listen(0, '127.0.0.1', () => {
      const address = listener.address()
      if (typeof address !== 'object' || !address) return reject(new Error('no port'))
      const { port } = address
      const client = quiet(connect(port, '127.0.0.1').on('error', reject))
      listener.once('connection', (accepted) => {
        quiet(accepted).unref()
        client.unref()
        listener.close()
        // The side that ends it first is the one that keeps the port for a while after.
        resolve({ port, release: () => void accepted.end() })
      })
    })
  })
}

/** It is there for its port alone. */
function quiet(socket: Socket): Socket {
  return socket.on('error', () => {}).resume()
}

/** A port that is given to nobody else for a minute. Who needs it for longer reserves it. */
export async function freePort(): Promise<number> {
  const { port, release } = await reservePort()
  release()
  return port
}

/** Ask again until it is true or resolves; the bound is for a test that would otherwise hang. */
export async function until(what: string, ask: () => unknown, boundMs = BOUND_MS): Promise<void> {
  const end = performance.now() + boundMs
  for (let last: unknown; ; ) {
    try {
      if ((await ask()) !== false) return
    } catch (error) {
      last = error
    }
    if (performance.now() > end) throw new Error(`waited ${boundMs} ms in vain until ${what}`, { cause: last })
    await pause(10)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
