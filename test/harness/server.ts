/**
 * Real servers for tests, benchmarks and demos: started on free loopback ports with a directory of their own, killed,
 * frozen and restarted on demand, and never left behind, not even when the process that asked for them is killed.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { currentRun, harness } from './run.ts'

export interface ServerPlan {
  /** What it is, for messages. */
  readonly name: string
  readonly bin: string
  args(directory: string, port: number): readonly string[]
  /** Resolves once the server serves; rejects while it does not yet. Asked again and again. */
  ready(port: number, directory: string): Promise<unknown>
  /** Done once, before the first start, e.g. `initdb`. */
  prepare?(directory: string): Promise<void>
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

export class Server {
  readonly port: number
  readonly directory: string
  readonly #plan: ServerPlan
  readonly #keeper: ChildProcess
  #pid = 0
  #said: ((message: Said) => void)[] = []

  constructor(plan: ServerPlan, port: number, directory: string) {
    this.#plan = plan
    this.port = port
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
    const { bin, uid, gid, env } = this.#plan
    const started = this.#next((message) => message.pid !== undefined || message.error !== undefined)
    this.#say({ start: { bin, args: this.#plan.args(this.directory, this.port), uid, gid, env } })
    const { pid, error } = await started
    if (pid === undefined) throw new Error(`${this.#plan.name} did not start: ${error}`)
    this.#pid = pid
    const died = this.#next((message) => message.exit !== undefined).then(() => {
      throw new Error(`${this.#plan.name} ended while starting:\n${this.log().slice(-2000)}`)
    })
    await Promise.race([died, until(`${this.#plan.name} serves`, () => this.#plan.ready(this.port, this.directory))])
  }

  /** What the server has written. */
  log(): string {
    return readFileSync(join(this.directory, 'server.log'), 'utf8')
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
  const server = new Server(plan, await freePort(), directory)
  try {
    await plan.prepare?.(directory)
    await server.start()
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}

/** Ask again until it is true or resolves; the bound is for a test that would otherwise hang. */
export async function until(what: string, ask: () => unknown, boundMs = 30_000): Promise<void> {
  const end = performance.now() + boundMs
  for (let last: unknown; ; ) {
    try {
      if ((await ask()) !== false) return
    } catch (error) {
      last = error
    }
    if (performance.now() > end) throw new Error(`waited ${boundMs} ms in vain until ${what}`, { cause: last })
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
