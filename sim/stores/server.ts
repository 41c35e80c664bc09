/**
 * The server side of the simulated store: linearizable rows, with a clock of its own, that keeps the contract of
 * `src/store.ts` under four profiles. `clock`: rows with an expiry. `session`: the same, and all holds of a process
 * share the fate of one session. `connection`: the session is a connection, closed when idle for a ttl, or when its
 * process dies. `observed`: a register with versions; who may take what is decided by the clients.
 *
 * It may fail only in the ways it declares: an outage, or a loss (`lossAt`), from which on older grants are void.
 */

import { TenureError } from '../../src/index.ts'
import type { Lease } from '../../src/store.ts'
import { Chance } from '../chance.ts'
import { MachineTime } from '../clocks.ts'
import type { Plan } from '../plan.ts'
import { drawRates, type Host } from '../process.ts'
import type { World } from '../world.ts'
import { evaluate, expiryOf, type Row } from './rows.ts'
import type { Watchers } from './watchers.ts'

export type Verb = 'acquire' | 'renew' | 'release' | 'read' | 'get' | 'put'

export interface Request {
  readonly verb: Verb
  readonly host: Host
  /** Names the session or the connection. */
  readonly session: string
  readonly election: string
  readonly holder: string
  readonly candidate: string
  readonly advert?: string | undefined
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

export interface Session {
  expiresAt: number
  dead: boolean
}

interface Logged {
  readonly election: string
  readonly before: Row | undefined
  readonly at: number
}

interface Lock {
  readonly waiting: (() => void)[]
}

export class Server {
  readonly watchers: Watchers
  /** When, in true time, an election last lost what had been promised. */
  readonly lossAt = new Map<string, number>()
  committed: (commit: Commit) => void = () => {}
  slowMs = 0
  staleMs = 0
  outage: 'silent' | 'refused' | undefined
  refusal: 'store-denied' | 'store-unfit' | undefined
  readonly #world: World
  readonly #plan: Plan
  readonly #time: MachineTime
  readonly #rows = new Map<string, Row>()
  readonly #sessions = new Map<string, Session>()
  readonly #locks = new Map<string, Lock>()
  #log: Logged[] = []
  /** Grows with every restart: what was not committed then never is. */
  #life = 0
  #versions = 0
  /** True time of the oldest version that an observer may have seen unchanged. */
  fastestObserver = 1

  constructor(world: World, plan: Plan, watchers: Watchers) {
    this.#world = world
    this.#plan = plan
    this.watchers = watchers
    const start = { at: 0, mono: 5e6, wall: Date.UTC(2026, 0, 1) }
    this.#time = new MachineTime(start, drawRates(plan, new Chance(plan.seed, 'rate:store'), 1))
  }

  /** The clock that decides what is over: as databases do, the wall clock. */
  get now(): number {
    return this.#time.wall(this.#world.now)
  }

  /** A write has been evaluated and is not visible yet. */
  get writing(): boolean {
    return this.#locks.size > 0
  }

  row(election: string): Row | undefined {
    return this.#rows.get(election)
  }

  live(election: string): boolean {
    const row = this.#rows.get(election)
    return row !== undefined && !row.freed && (this.#plan.profile === 'observed' || this.now < expiryOf(row))
  }

  /** The true time until which nobody else can hold this election, if nothing is declared lost. */
  safeUntil(row: Row): number {
    if (row.freed) return Number.NEGATIVE_INFINITY
    if (this.#plan.profile === 'observed') return row.writtenAt + row.ttlMs / this.fastestObserver
    return this.#time.whenWall(expiryOf(row))
  }

  handle(request: Request, reply: (answer: Answer) => void): void {
    if (this.outage === 'silent') return
    if (this.outage === 'refused') return reply(failure('store-unreachable', 'connection refused'))
    if (this.refusal) return reply(failure(this.refusal, 'refused to serve'))
    if (!this.#sessionServes(request)) return reply(failure('store-unreachable', 'connection closed', true))
    if (request.verb === 'read' || request.verb === 'get') return reply(this.#read(request))
    const lock = this.#locks.get(request.election)
    if (!lock) return this.#write(request, reply)
    // A refused bid takes no lock.
    if (request.verb === 'acquire' && this.live(request.election)) return reply(this.#read(request))
    const life = this.#life
    lock.waiting.push(() => {
      if (life === this.#life) this.handle(request, reply)
    })
  }

  #read(request: Request): Answer {
    const horizon = this.#world.now - this.staleMs
    const later = this.staleMs > 0 ? this.#log.find((entry) => entry.election === request.election && entry.at > horizon) : undefined
    const row = later ? later.before : this.#rows.get(request.election)
    if (request.verb === 'get') return { type: 'row', row: this.#rows.get(request.election) }
    return evaluate({ ...request, verb: 'read' }, row, this.#moment(request)).answer
  }

  #moment(request: Request) {
    return { now: this.now, session: this.#sessions.get(request.session), version: this.#versions + 1, at: this.#world.now }
  }

  #write(request: Request, reply: (answer: Answer) => void): void {
    const before = this.#rows.get(request.election)
    const beforeLive = this.live(request.election)
    const moment = this.#moment(request)
    const { answer, row } = evaluate(request, before, moment)
    if (!row) return reply(answer)
    this.#versions += 1
    const commit: Commit = { request, before, beforeLive, after: row, answer, now: moment.now, at: moment.at }
    if (this.slowMs === 0) {
      this.#commit(commit)
      return reply(answer)
    }
    this.#world.count('slowCommit')
    const lock: Lock = { waiting: [] }
    this.#locks.set(request.election, lock)
    const life = this.#life
    this.#world.in(this.slowMs, () => {
      if (life !== this.#life) return
      this.#locks.delete(request.election)
      // What was begun on a session that has died since is rolled back.
      if (row.session?.dead) return
      this.#commit({ ...commit, after: { ...row, writtenAt: this.#world.now } })
      reply(answer)
      for (const next of lock.waiting) next()
    })
  }

  #commit(commit: Commit): void {
    const { request, before, after } = commit
    const { election, verb } = request
    this.#rows.set(election, after)
    this.#log.push({ election, before, at: this.#world.now })
    if (this.#log.length > 200) this.#log = this.#log.slice(-100)
    this.#world.note(
      'store',
      `${verb} ${election}`,
      `${request.holder.slice(-8)} token ${after.fencingToken}${after.freed ? ' freed' : ''}`,
    )
    this.committed(commit)
    const freed = after.freed && !before?.freed
    if (freed || before?.holder !== after.holder) this.watchers.tell(election, freed)
  }

  /** Whether the session of a request can still be used. Opens one where there is none. */
  #sessionServes(request: Request): boolean {
    const { profile } = this.#plan
    if (profile !== 'session' && profile !== 'connection') return true
    const { now } = this
    const known = this.#sessions.get(request.session)
    const alive = known && !known.dead && now < known.expiresAt
    if (profile === 'connection') {
      // Idle for too long: closed, if a lease hangs on it.
      const carries = [...this.#rows.values()].some((row) => row.session === known && !row.freed)
      if (known?.dead || (known && !alive && carries)) {
        known.dead = true
        return false
      }
      // Anything said on a connection keeps it open.
      if (known) known.expiresAt = now + request.ttlMs
      else this.#sessions.set(request.session, { expiresAt: now + request.ttlMs, dead: false })
      return true
    }
    if (request.verb === 'acquire' && !alive) this.#sessions.set(request.session, { expiresAt: now + request.ttlMs, dead: false })
    const short = known && known.expiresAt - now < request.ttlMs * 0.8
    if (alive && known && (request.verb === 'renew' || (request.verb === 'acquire' && short))) known.expiresAt = now + request.ttlMs
    return true
  }

  /** The session of a process ends. `declared`: while its holders may still believe. */
  endSessions(prefix: string, declared: boolean): void {
    for (const [name, session] of this.#sessions) {
      if (session.dead || !name.startsWith(prefix)) continue
      session.dead = true
      for (const [election, row] of this.#rows) {
        if (row.session !== session) continue
        if (declared) this.declareLoss(election)
        this.watchers.tell(election, true)
      }
    }
  }

  declareLoss(election: string): void {
    this.lossAt.set(election, this.#world.now)
    this.#world.note('store', 'loses', election)
  }

  /** The process of the store dies; what was not committed is gone, and so are the last `lost` commits. */
  crash(lost: number): void {
    this.#life += 1
    this.#locks.clear()
    this.watchers.clear()
    const gone = this.#log.splice(Math.max(0, this.#log.length - lost), lost)
    for (const { election, before } of gone.reverse()) {
      if (before) this.#rows.set(election, { ...before, writtenAt: this.#world.now })
      else this.#rows.delete(election)
      this.declareLoss(election)
      this.#world.count('lostCommit')
    }
    if (this.#plan.profile === 'connection') this.endSessions('', true)
  }

  /** The wall clock of the store is stepped. */
  stepWall(ms: number): void {
    this.#time.stepWall(this.#world.now, ms)
    for (const [election, row] of this.#rows) {
      if (ms > 0) this.declareLoss(election)
      // A lease that would last longer than it may is cut to size.
      else if (!row.freed) this.#rows.set(election, { ...row, expiresAt: Math.min(row.expiresAt, this.now + row.ttlMs) })
    }
  }

  /** An operator deletes the record. */
  remove(election: string): void {
    const row = this.#rows.get(election)
    if (!row) return
    // A register keeps its chain of versions, and the token with it.
    if (this.#plan.profile === 'observed') this.#override({ ...row, holder: 'nobody', freed: true }, election)
    else this.#override(undefined, election)
  }

  /** An operator gives the lease to somebody who will not renew it. */
  preempt(election: string, ttlMs: number): void {
    const row = this.#rows.get(election)
    if (!row) return
    const fencingToken = Math.max(row.fencingToken + 1, Math.floor(this.now * 1000))
    const expiresAt = this.now + ttlMs
    this.#override(
      { ...row, holder: 'operator', candidate: 'operator', fencingToken, expiresAt, freed: false, session: undefined },
      election,
    )
  }

  #override(row: Row | undefined, election: string): void {
    const before = this.#rows.get(election)
    this.declareLoss(election)
    this.#versions += 1
    this.#log.push({ election, before, at: this.#world.now })
    if (row) this.#rows.set(election, { ...row, version: this.#versions, writtenAt: this.#world.now })
    else this.#rows.delete(election)
    this.watchers.tell(election, true)
  }
}

function failure(code: 'store-unreachable' | 'store-denied' | 'store-unfit', text: string, closed = false): Answer {
  return { type: 'error', error: new TenureError(code, `sim: ${text}`), closed }
}
