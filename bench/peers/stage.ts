/**
 * Processes that stand for one election by one elector, and what they have done. Waits have bounds: some electors never
 * get where they are waited for. Ends every process that it has started.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { resolve } from 'node:path'
import type { Elector } from './catalogue.ts'
import type { Deed } from './judge.ts'

export const now = () => Number(process.hrtime.bigint()) / 1e6
export const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))

interface News {
  readonly ready?: number
  readonly stands?: number
  readonly began?: number
  readonly term?: number
  readonly deeds?: readonly number[]
  readonly stopping?: number
  readonly stopped?: number
}

export interface Begin {
  readonly actor: Actor
  readonly at: number
}

/** One process. */
export interface Actor {
  readonly who: number
  readonly child: ChildProcess
  /** Why it ended although nobody told it to. */
  died?: string
}

export interface Place {
  readonly port: number
  readonly directory: string
}

const alive = new Set<ChildProcess>()

/** End every process there is, also a frozen one. */
export function endAll(): void {
  for (const child of alive) child.kill('SIGKILL')
}

export class Stage {
  readonly actors: Actor[] = []
  readonly deeds: Deed[] = []
  readonly begins: Begin[] = []
  readonly #elector: Elector
  readonly #election: string
  readonly #ttlMs: number
  readonly #listeners = new Set<(actor: Actor, news: News) => void>()

  constructor(elector: Elector, election: string, ttlMs: number) {
    this.#elector = elector
    this.#election = election
    this.#ttlMs = ttlMs
  }

  /** Start a process, and wait until it stands. */
  async enter(place: Place): Promise<Actor> {
    const plan = { ...this.#elector.plan, ...place, election: this.#election, ttlMs: this.#ttlMs }
    const child = fork(resolve('bench/peers/driver.mjs'), [this.#elector.module, JSON.stringify(plan)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Some keep files of their own there.
      env: { ...process.env, TMPDIR: place.directory },
    })
    const actor: Actor = { who: this.actors.length, child }
    this.actors.push(actor)
    alive.add(child)
    child.on('close', () => alive.delete(child))
    let said = ''
    child.stderr?.on('data', (data) => {
      said = `${said}${data}`.slice(-4000)
    })
    child.on('message', (news: News) => this.#hear(actor, news))
    child.on('exit', (code) => {
      if (code !== null && code !== 0) actor.died = /^\w*Error.*$/m.exec(said)?.[0] ?? `code ${code}`
    })
    await this.#told(actor, 'ready', 30_000)
    await this.start(actor)
    return actor
  }

  async start(actor: Actor): Promise<void> {
    const stands = this.#told(actor, 'stands', 30_000)
    actor.child.send('start')
    if ((await stands) === undefined) throw new Error(`${this.#elector.name} does not stand: ${actor.died ?? 'no word'}`)
  }

  /** Tell it to stop; resolves to the instant at which it called its elector's stop. */
  stop(actor: Actor, boundMs: number): { readonly called: Promise<number | undefined>; readonly done: Promise<number | undefined> } {
    const called = this.#told(actor, 'stopping', boundMs)
    const done = this.#told(actor, 'stopped', boundMs)
    actor.child.send('stop')
    return { called, done }
  }

  /** The first to begin after this instant other than `except`, or `undefined` if nobody does in time. */
  async next(after: number, boundMs: number, except?: Actor): Promise<Begin | undefined> {
    const suits = ({ actor, at }: Begin) => actor !== except && at > after
    const until = after + boundMs
    for (;;) {
      const found = this.begins.find(suits)
      if (found) return found
      const left = until - now()
      if (left <= 0) return undefined
      await this.#any(left)
    }
  }

  /** Who acted last. */
  leader(): Actor | undefined {
    let last: Deed | undefined
    for (const deed of this.deeds) if (!last || deed.at > last.at) last = deed
    return this.actors.find(({ who }) => who === last?.who)
  }

  /** Let what was done be told, and end. */
  async end(): Promise<void> {
    await sleep(250)
    for (const { child } of this.actors) {
      child.removeAllListeners('exit')
      child.kill('SIGKILL')
    }
  }

  #hear(actor: Actor, news: News): void {
    const { began, deeds, term = 0 } = news
    if (began !== undefined) this.begins.push({ actor, at: began })
    for (const at of deeds ?? []) this.deeds.push({ who: actor.who, term, at })
    for (const listener of [...this.#listeners]) listener(actor, news)
  }

  #told(from: Actor, key: keyof News, boundMs: number): Promise<number | undefined> {
    return new Promise((done) => {
      const finish = (value?: number) => {
        clearTimeout(bound)
        from.child.off('exit', left)
        this.#listeners.delete(listener)
        done(value)
      }
      const left = () => finish()
      const listener = (actor: Actor, news: News) => {
        const value = news[key]
        if (actor === from && typeof value === 'number') finish(value)
      }
      const bound = setTimeout(finish, boundMs)
      from.child.on('exit', left)
      this.#listeners.add(listener)
    })
  }

  #any(boundMs: number): Promise<void> {
    return new Promise((done) => {
      const finish = () => {
        clearTimeout(bound)
        this.#listeners.delete(finish)
        done()
      }
      const bound = setTimeout(finish, boundMs)
      this.#listeners.add(finish)
    })
  }
}
