/** Starts instances in processes of their own, and waits for what they report. Ends each of them in the end. */

import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { IpcRelay } from '../../../src/failover.ts'
import { until } from '../../harness/server.ts'
import type { Part, Report } from './actor.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

export class Actor {
  readonly id: string
  readonly process: ChildProcess
  readonly reports: (Report & { readonly worker?: string; readonly pid?: number | undefined })[] = []

  constructor(id: string, process: ChildProcess) {
    this.id = id
    this.process = process
    process.on('message', (message: Report | { readonly worker: string; readonly pid?: number; readonly report: Report }) => {
      if ('worker' in message) this.reports.push({ ...message.report, worker: message.worker, pid: message.pid })
      else if ('type' in message) this.reports.push(message)
    })
  }

  get isPrimary(): boolean {
    return this.lastRole() === 'primary'
  }

  lastRole(): string {
    const last = this.reports.findLast((report) => report.type === 'role')
    return last?.type === 'role' ? last.role : 'secondary'
  }

  /** Whatever was reported before is forgotten. */
  forget(): void {
    const role = this.reports.findLast((report) => report.type === 'role')
    this.reports.length = 0
    if (role) this.reports.push(role)
  }

  saw(wanted: (report: Report) => boolean): Promise<void> {
    return until(`${this.id} reports it: ${wanted}`, () => this.reports.some(wanted))
  }

  hears(from: Actor): Promise<void> {
    this.forget()
    return this.saw((report) => report.type === 'heartbeat' && report.from === from.id)
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve))
    this.process.kill('SIGKILL')
    await ended
  }
}

export class Stage {
  readonly dir = mkdtempSync(join(tmpdir(), 'tenure-pack-'))
  readonly actors: Actor[] = []
  readonly #ttlMs: number
  readonly #heartbeatMs: number
  readonly #relay: IpcRelay | undefined
  #bundle: Promise<string> | undefined

  constructor(options: { readonly ttlMs?: number; readonly heartbeatMs?: number; readonly relay?: IpcRelay } = {}) {
    this.#ttlMs = options.ttlMs ?? 60_000
    this.#heartbeatMs = options.heartbeatMs ?? 100
    this.#relay = options.relay
  }

  async add(id: string, more: { readonly workers?: number; readonly deaf?: boolean } = {}): Promise<Actor> {
    this.#bundle ??= this.#build()
    const isIpc = this.#relay !== undefined || more.workers !== undefined
    const timing = { ttlMs: this.#ttlMs, heartbeatMs: this.#heartbeatMs }
    const part: Part & { workers?: number } = { id, dir: this.dir, bus: isIpc ? 'ipc' : 'unix', ...timing, ...more }
    const process = fork(await this.#bundle, { env: { ...globalThis.process.env, TENURE_TEST_PART: JSON.stringify(part) } })
    const actor = new Actor(id, process)
    this.actors.push(actor)
    this.#relay?.add(process)
    if (!more.workers) await actor.saw((report) => report.type === 'joined')
    return actor
  }

  /** The one primary among these. */
  async primary(among: readonly Actor[] = this.actors): Promise<Actor> {
    await until('there is a primary', () => among.some(({ isPrimary }) => isPrimary))
    return among.find(({ isPrimary }) => isPrimary) as Actor
  }

  async close(): Promise<void> {
    const ends = this.actors.map(async (actor) => {
      if (actor.process.exitCode === null && actor.process.signalCode === null) await actor.kill()
    })
    await Promise.all(ends)
    // Workers of a cluster end after their parent, and may still write.
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 })
  }

  async #build(): Promise<string> {
    const outfile = join(this.dir, 'actor.mjs')
    const entry = join(root, 'test', 'failover', 'buses', 'actor.ts')
    await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', target: 'node20.19', outfile })
    return outfile
  }
}
