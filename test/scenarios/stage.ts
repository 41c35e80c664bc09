/** Starts the processes of a scenario, gives them their cues, and judges what they have written down. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { judge, type Verdict } from '../../bench/soak/judge.ts'
import { bundle, bundles } from '../examples/program.ts'
import type { Cue, Report } from './actor.ts'

const folder = bundles()
let bundled: Promise<string> | undefined

type Elected = Extract<Report, { type: 'elected' }>

export class Actor {
  readonly process: ChildProcess
  readonly id: string
  leads = false
  /** The token of the last tenure in which it has acted. */
  acted = 0
  readonly elections: Elected[] = []
  readonly #waiting: { readonly wanted: (report: Report) => boolean; readonly resolve: (report: Report) => void }[] = []

  constructor(path: string, url: string, log: string, id: string, ttlMs: number) {
    this.id = id
    this.process = spawn(process.execPath, [path, url, log, id, String(ttlMs)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.process.on('message', (report: Report) => {
      if (report.type === 'elected') this.elections.push(report)
      if (report.type === 'acted') {
        this.leads = true
        this.acted = report.fencingToken
      }
      if (report.type === 'deposed') this.leads = false
      for (const waiter of this.#waiting.filter(({ wanted }) => wanted(report))) {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        waiter.resolve(report)
      }
    })
  }

  next<Type extends Report['type']>(...types: Type[]): Promise<Extract<Report, { type: Type }>> {
    return new Promise((resolve) => {
      const wanted = (report: Report) => (types as string[]).includes(report.type)
      this.#waiting.push({ wanted, resolve: (report) => resolve(report as Extract<Report, { type: Type }>) })
    })
  }

  cue(cue: Cue): void {
    this.process.send(cue)
  }
}

export class Stage {
  readonly actors: Actor[] = []
  readonly ttlMs: number
  readonly #dir = mkdtempSync(join(tmpdir(), 'tenure-scenario-'))
  readonly #log = join(this.#dir, 'actions.log')
  readonly #url: string

  /** Without a URL on files of its own. */
  constructor(ttlMs: number, url?: string) {
    this.ttlMs = ttlMs
    this.#url = url ?? `file:${join(this.#dir, 'store')}`
  }

  async open(count: number): Promise<void> {
    bundled ??= bundle(folder, 'test/scenarios/actor.ts')
    const path = await bundled
    writeFileSync(this.#log, '')
    for (let i = 0; i < count; i++) this.actors.push(new Actor(path, this.#url, this.#log, `actor-${i}`, this.ttlMs))
    await this.leader()
  }

  /** The present leader, which has acted as one; waits for it. An older one that has not yet told of its end is none. */
  async leader(): Promise<Actor> {
    for (;;) {
      const last = this.actors.reduce((one, other) => (other.acted > one.acted ? other : one))
      if (last.leads) return last
      await Promise.race(this.actors.map((actor) => actor.next('acted')))
    }
  }

  /** The first election of anybody but this one after the last in which it has acted; it may have been told of already. */
  async elected(but: Actor): Promise<Elected> {
    const { acted } = but
    const others = this.actors.filter((actor) => actor !== but)
    for (;;) {
      const later = others.flatMap(({ elections }) => elections).filter(({ fencingToken }) => fencingToken > acted)
      const [first] = later.sort((a, b) => a.fencingToken - b.fencingToken)
      if (first) return first
      await Promise.race(others.map((actor) => actor.next('elected')))
    }
  }

  verdict(): Verdict {
    return judge(readFileSync(this.#log, 'utf8'))
  }

  async close(): Promise<void> {
    const ends = this.actors.map(async ({ process }) => {
      if (process.exitCode !== null || process.signalCode !== null) return
      const ended = new Promise((resolve) => process.once('exit', resolve))
      process.kill('SIGKILL')
      await ended
    })
    await Promise.all(ends)
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
