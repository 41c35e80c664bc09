/**
 * The server side of the simulated store: linearizable rows, with a clock of its own, that keeps the contract of
 * `src/store.ts` under four profiles. `clock`: rows with an expiry. `session`: the same, and all holds of a process
 * share the fate of one session. `connection`: the session is a connection, closed when idle for a ttl, or when its
 * process dies. `observed`: a register with versions; who may take what is decided by the clients.
 *
 * It may fail only in the ways it declares (`mishaps.ts`): an outage, or a loss.
 */

import { TenureError } from '../../src/index.ts'
import type { Lease } from '../../src/store.ts'
import { Chance } from '../chance.ts'
import { MachineTime } from '../clocks.ts'
import type { Plan } from '../plan.ts'
import { drawRates, type Host } from '../process.ts'
import type { World } from '../world.ts'
import { Ledger } from './ledger.ts'
import { cut, evaluate, expiryOf, type Row, type StoreMoment } from './rows.ts'
import { Sessions } from './sessions.ts'
import type { Watchers } from './watchers.ts'

export type Verb = 'acquire' | 'renew' | 'release' | 'read' | 'get' | 'put'

export interface Request {
  readonly verb: Verb
  /** For the sake of what: an observer needs several questions for one verb. */
  readonly purpose: 'acquire' | 'renew' | 'release' | 'read'
  readonly host: Host
  /** Names the session or the connection. */
  readonly session: string
  readonly election: string
  readonly holder: string
  readonly candidate: string
  readonly advert: string | undefined
  readonly ttlMs: number
  /** For `put`: the version that is replaced, and the row that replaces it. */
  readonly version?: number
  readonly row?: Row
}

export type Answer =
  | { readonly type: 'lease'; readonly lease: Lease | undefined }
  | { readonly type: 'granted'; readonly ms: number }
  | { readonly type: 'done' }
  | { readonly type: 'row'; readonly row: Row | undefined }
  | { readonly type: 'put'; readonly version: number | undefined }
  | { readonly type: 'error'; readonly error: TenureError; readonly closed: boolean }

interface Outage {
  readonly mode: 'silent' | 'refused'
}

type Reply = (answer: Answer) => void

/** One write, as those who watch over the contract see it. */
export interface Commit {
  readonly request: Request
  readonly before: Row | undefined
  readonly beforeLive: boolean
  readonly after: Row
  readonly answer: Answer
  /** When it was evaluated: by the store's clock, and in true time. */
  readonly now: number
  readonly at: number
}

export class Server {
  readonly watchers: Watchers
  readonly ledger: Ledger
  readonly sessions: Sessions
  readonly time: MachineTime
  committed: (commit: Commit) => void = () => {}
  slowMs = 0
  staleMs = 0
  refusal: 'store-denied' | 'store-unfit' | undefined
  /** The fastest clock of all who observe: how early a row that did not change may be taken. */
  fastestObserver = 1
  readonly #world: World
  readonly #plan: Plan
  /** Elections with a write that is evaluated and not visible, and who waits for it. */
  readonly #locks = new Map<string, (() => void)[]>()
  /** All that are going on; the last one counts. */
  #outages: readonly Outage[] = []
  /** What has arrived while the process of the store stands still. */
  #stalled: (() => void)[] | undefined
  /** Grows with every restart: what was not committed then never is. */
  #life = 0

  constructor(world: World, plan: Plan, watchers: Watchers) {
    this.#world = world
    this.#plan = plan
    this.watchers = watchers
    this.ledger = new Ledger(world)
    this.sessions = new Sessions(plan, this.ledger)
    const start = { at: 0, mono: 5e6, wall: Date.UTC(2026, 0, 1) }
    this.time = new MachineTime(start, drawRates(plan, new Chance(plan.seed, 'rate:store'), 1))
  }

  /** The clock that decides what is over: as databases do, the wall clock. */
  get now(): number {
    return this.time.wall(this.#world.now)
  }

  get serving(): boolean {
    return this.#outages.length === 0 && !this.stalled
  }

  get stalled(): boolean {
    return this.#stalled !== undefined
  }

  /** A write has been evaluated and is not visible yet. */
  get writing(): boolean {
    return this.#locks.size > 0
  }

  /** All that have a record, or are being written their first. */
  get elections(): ReadonlySet<string> {
    return new Set([...this.#locks.keys(), ...[...this.ledger.rows].map(([election]) => election)])
  }

  row(election: string): Row | undefined {
    return this.ledger.row(election)
  }

  live(election: string): boolean {
    const row = this.ledger.row(election)
    return row !== undefined && !row.freed && (this.#plan.profile === 'observed' || this.now < expiryOf(row))
  }

  /** The true time until which nobody else can hold this election, if nothing is declared lost. */
  safeUntil(row: Row): number {
    if (row.freed) return Number.NEGATIVE_INFINITY
    if (this.#plan.profile === 'observed') return row.writtenAt + row.ttlMs / this.fastestObserver
    return this.time.whenWall(expiryOf(row))
  }

  handle(request: Request, reply: Reply): void {
    if (this.#stalled) return void this.#stalled.push(this.#later(() => this.handle(request, reply)))
    const outage = this.#outages.at(-1)
    if (outage?.mode === 'silent') return
    if (outage) return reply(failure('store-unreachable', 'connection refused'))
    if (this.refusal) return reply(failure(this.refusal, 'refused to serve'))
    if (!this.sessions.serves(request, this.now)) return reply(failure('store-unreachable', 'connection closed', true))
    if (request.verb === 'read' || request.verb === 'get') return reply(this.#read(request))
    const waiting = this.#locks.get(request.election)
    if (!waiting) return this.#write(request, reply)
    // A refused bid takes no lock.
    if (request.verb === 'acquire' && this.live(request.election)) return reply(this.#read({ ...request, verb: 'read' }))
    waiting.push(this.#later(() => this.handle(request, reply)))
  }

  /** Act when no write of this election is under way: an operator waits for the lock, too. */
  locked(election: string, act: () => void): void {
    const waiting = this.#locks.get(election)
    if (waiting) waiting.push(this.#later(() => this.locked(election, act)))
    else act()
  }

  /** What waits in the store dies with it. */
  #later(act: () => void): () => void {
    const life = this.#life
    return () => {
      if (life === this.#life) act()
    }
  }

  /** Reads that nobody builds upon may see the past. */
  #read(request: Request): Answer {
    const staleMs = request.purpose === 'read' ? this.staleMs : 0
    return evaluate(request, this.ledger.past(request.election, staleMs), this.#moment(request)).answer
  }

  #moment(request: Request): StoreMoment {
    const { now, ledger } = this
    return { now, microseconds: ledger.microseconds(now), session: this.sessions.of(request), version: ledger.version, at: this.#world.now }
  }

  #write(request: Request, reply: Reply): void {
    const { election, holder } = request
    // Declared: no copy of a bid arrives when what it won is gone. It would win again, with another token.
    if (request.verb === 'acquire' && this.ledger.removed.has(holder)) return reply({ type: 'lease', lease: undefined })
    const before = this.ledger.row(election)
    const moment = this.#moment(request)
    const { answer, row: after } = evaluate(request, before, moment)
    if (!after) return reply(answer)
    const commit: Commit = { request, before, beforeLive: this.live(election), after, answer, now: moment.now, at: moment.at }
    this.ledger.begin()
    if (this.slowMs > 0) return this.#commitLater(commit, reply)
    this.#commit(commit)
    reply(answer)
  }

  #commitLater(commit: Commit, reply: Reply): void {
    const { request, after, answer } = commit
    const life = this.#life
    const waiting: (() => void)[] = []
    this.#world.count('slowCommit')
    this.#locks.set(request.election, waiting)
    this.#world.in(this.slowMs, () => {
      if (life !== this.#life) return
      this.#locks.delete(request.election)
      // What was begun on a session that has died since is rolled back.
      if (!after.session?.dead) {
        this.#commit({ ...commit, after: cut({ ...after, writtenAt: this.#world.now }, this.now) })
        reply(answer)
      }
      for (const next of waiting) next()
    })
  }

  #commit(commit: Commit): void {
    const { request, before, after } = commit
    const { election, verb, holder } = request
    this.ledger.write(election, after)
    this.#world.note('store', `${verb} ${election}`, `${holder.slice(-8)} token ${after.fencingToken}${after.freed ? ' freed' : ''}`)
    this.committed(commit)
    const freed = after.freed && !before?.freed
    if (freed || before?.holder !== after.holder) this.watchers.tell(election, freed)
  }

  /** Nobody is served until the function returned is called. */
  fail(mode: Outage['mode']): () => void {
    const outage = { mode }
    this.#outages = [...this.#outages, outage]
    return () => {
      this.#outages = this.#outages.filter((other) => other !== outage)
    }
  }

  /** The process of the store stands still: what arrives waits. Returns how it goes on, in whatever order. */
  stall(chance: Chance): () => void {
    const stalled: (() => void)[] = []
    this.#stalled = stalled
    return () => {
      if (stalled.length > 0) this.#world.count('stalled')
      this.#stalled = undefined
      for (const handle of chance.shuffled(stalled)) handle()
    }
  }

  /** Serve well. Who is served slowly already is not helped. */
  heal(): void {
    this.#outages = []
    this.refusal = undefined
    this.slowMs = 0
    this.staleMs = 0
  }

  /** The process of the store dies: what was not committed never is, and nobody is told of changes any more. */
  die(): void {
    this.#life += 1
    this.#locks.clear()
    this.watchers.clear()
  }
}

function failure(code: 'store-unreachable' | 'store-denied' | 'store-unfit', text: string, closed = false): Answer {
  return { type: 'error', error: new TenureError(code, `sim: ${text}`), closed }
}
