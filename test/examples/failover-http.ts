/** The example service in processes of their own, and a client that writes without a pause and remembers what was acknowledged. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { freePort } from '../harness/server.ts'

/** A request that takes longer goes to the next instance. */
const PATIENCE_MS = 250

interface Answer {
  readonly status: number
  readonly body: string
}

export class Instance {
  readonly port: number
  readonly process: ChildProcess
  output = ''

  constructor(bundle: string, dir: string, port: number, ttlMs: number) {
    this.port = port
    this.process = spawn(process.execPath, [bundle, dir, String(port), String(ttlMs)], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.output += data.toString()
      })
    }
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  async ended(): Promise<void> {
    if (!this.hasEnded) await new Promise((resolve) => this.process.once('exit', resolve))
  }
}

export class Site {
  readonly dir = mkdtempSync(join(tmpdir(), 'tenure-notes-'))
  readonly instances: Instance[] = []
  readonly ttlMs: number
  readonly #store: string
  readonly acknowledged: { readonly id: string; readonly at: number; readonly port: number; readonly fencingToken: number }[] = []
  readonly #agent = new Agent({ keepAlive: true })
  #bundle = ''
  #writing: Promise<void> | undefined
  #isWriting = false
  #notes = 0

  /** Deaf instances are told nothing by the store: they look at it now and then, and when the bus makes them. */
  constructor(ttlMs: number, { deaf = false } = {}) {
    this.ttlMs = ttlMs
    this.#store = deaf ? 'test/examples/deaf-file.ts' : 'src/stores/file.ts'
  }

  async open(count: number): Promise<void> {
    this.#bundle = join(this.dir, 'service.mjs')
    const root = rootOf(dirname(fileURLToPath(import.meta.url)))
    const alias = { 'tenure/failover': join(root, 'src/failover.ts'), 'tenure/file': join(root, this.#store) }
    const entryPoints = [join(root, 'examples/failover-http/service.js')]
    await build({ entryPoints, outfile: this.#bundle, alias, bundle: true, platform: 'node', format: 'esm', target: 'node20.19' })
    for (let i = 0; i < count; i++) await this.add()
  }

  async add(): Promise<Instance> {
    const instance = new Instance(this.#bundle, this.dir, await freePort(), this.ttlMs)
    this.instances.push(instance)
    return instance
  }

  /** Run the service with other arguments; how it ends, and what it says. */
  async ends(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
    const child = spawn(process.execPath, [this.#bundle, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => {
        output += data.toString()
      })
    }
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    return { code, output }
  }

  /** The one that answers as primary. */
  async primary(): Promise<Instance> {
    for (;;) {
      for (const instance of this.instances.filter(({ hasEnded }) => !hasEnded)) {
        if ((await this.#ask(instance, 'GET', '/ready')).status === 200) return instance
      }
      await pause(5)
    }
  }

  /** Resolves when this instance knows who is primary, and takes part in the bus: it stands ready. */
  async ready(instance: Instance): Promise<void> {
    for (;;) {
      const { status, body } = await this.#ask(instance, 'GET', '/status')
      if (status === 200) {
        const { primary, bus } = JSON.parse(body) as { primary?: object; bus: { joined: boolean } }
        if (primary && bus.joined) return
      }
      await pause(5)
    }
  }

  async notes(): Promise<ReadonlySet<string>> {
    for (;;) {
      const { status, body } = await this.#ask(await this.primary(), 'GET', '/notes')
      if (status === 200) return new Set((JSON.parse(body) as { id: string }[]).map(({ id }) => id))
      await pause(5)
    }
  }

  /** From now on, until `rest`, one note after the other is written. */
  write(): void {
    this.#isWriting = true
    this.#writing = this.#write()
  }

  async rest(): Promise<void> {
    this.#isWriting = false
    await this.#writing
  }

  /** Resolves with when the first note after this instant was acknowledged by another instance. */
  async servedBy(other: (port: number) => boolean, after: number): Promise<number> {
    for (;;) {
      const found = this.acknowledged.find(({ at, port }) => at >= after && other(port))
      if (found) return found.at
      await pause(1)
    }
  }

  async close(): Promise<void> {
    await this.rest()
    this.#agent.destroy()
    // The frozen one too.
    for (const { process } of this.instances) process.kill('SIGKILL')
    await Promise.all(this.instances.map((instance) => instance.ended()))
    rmSync(this.dir, { recursive: true, force: true })
  }

  async #write(): Promise<void> {
    let turn = 0
    while (this.#isWriting) {
      const id = `note-${++this.#notes}`
      // The same note until somebody has acknowledged it, wherever that is.
      while (this.#isWriting) {
        const living = this.instances.filter(({ hasEnded }) => !hasEnded)
        const instance = living[turn % living.length]
        const { status, body } = instance ? await this.#ask(instance, 'POST', `/notes/${id}`, id) : { status: 0, body: '' }
        if (instance && status === 201) {
          const { fencingToken } = JSON.parse(body) as { fencingToken: number }
          this.acknowledged.push({ id, at: performance.now(), port: instance.port, fencingToken })
          break
        }
        turn += 1
        await pause(1)
      }
    }
  }

  #ask(instance: Instance, method: string, path: string, body = ''): Promise<Answer> {
    return new Promise((resolve) => {
      const none = () => resolve({ status: 0, body: '' })
      const options = { host: '127.0.0.1', port: instance.port, method, path, agent: this.#agent, timeout: PATIENCE_MS }
      const asked = request(options, (response: IncomingMessage) => {
        let text = ''
        response.on('data', (data: Buffer) => {
          text += data.toString()
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
        response.on('error', none)
      })
      asked.on('timeout', () => asked.destroy())
      asked.on('error', none)
      asked.end(body)
    })
  }
}

function rootOf(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : rootOf(dirname(directory))
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
