/**
 * The processes of the demonstration, as the stage sees them. Whatever happens they end with it: they watch the channel,
 * and one that is frozen is killed.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import type { Cue, Report } from './words.ts'

export type Role = 'starting' | 'following' | 'leading' | 'frozen' | 'killed' | 'stopped'

export class Actor {
  readonly id: string
  role: Role = 'starting'
  fencingToken = 0
  remainingMs = 0
  readonly #process: ChildProcess
  readonly #listeners = new Set<(report: Report) => void>()

  constructor(id: string, dir: string, heard: (actor: Actor, report: Report) => void) {
    this.id = id
    const main = process.argv[1] ?? ''
    this.#process = spawn(process.execPath, [main, 'demo', '--actor', id, '--dir', dir], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    this.#process.on('message', (report: Report) => {
      this.#note(report)
      heard(this, report)
      for (const listener of [...this.#listeners]) listener(report)
    })
    this.#process.on('error', () => {})
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** The next report of one type. */
  next<Type extends Report['type']>(type: Type): Promise<Extract<Report, { type: Type }>> {
    return new Promise((resolve) => {
      const listener = (report: Report) => {
        if (report.type !== type) return
        this.#listeners.delete(listener)
        resolve(report as Extract<Report, { type: Type }>)
      }
      this.#listeners.add(listener)
    })
  }

  cue(cue: Cue): void {
    this.#process.send(cue)
  }

  kill(): void {
    this.role = 'killed'
    this.#process.kill('SIGKILL')
  }

  freeze(): void {
    this.role = 'frozen'
    this.#process.kill('SIGSTOP')
  }

  thaw(): void {
    this.role = 'following'
    this.#process.kill('SIGCONT')
  }

  /** Gone for good, however it is. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill('SIGKILL')
    await ended
  }

  #note(report: Report): void {
    if (this.role === 'killed' || this.role === 'frozen') return
    if (report.type === 'standing' && this.role === 'starting') this.role = 'following'
    if (report.type === 'elected') {
      this.role = 'leading'
      this.fencingToken = report.fencingToken
    }
    if (report.type === 'deposed') this.role = report.why === 'stopped' ? 'stopped' : 'following'
    if (report.type === 'lease') this.remainingMs = report.remainingMs
  }
}
