/**
 * A process that does with a SQLite store what it is told over its channel, and says what came of it and when. Ends with
 * whoever started it. Instants are milliseconds of the one monotonic clock of this host.
 */

import { setMaxListeners } from 'node:events'
import { Candidate } from '../../../src/candidate.ts'
import { hostMono } from '../../../src/clock.ts'
import { messageOf } from '../../../src/errors.ts'
import type { Bid, Hold, Lease } from '../../../src/store.ts'
import { type SqliteStore, sqlite } from '../../../src/stores/sqlite.ts'
import { type Opened, openAny } from './drivers.ts'

export interface Term {
  readonly fencingToken: number
  /** Just before the bid left. */
  readonly askedAt: number
  readonly wonAt: number
  /** Just before the release left, or the deadline if that came first. */
  readonly overAt: number
}

export type Told = { readonly event: string; readonly at: number; readonly fencingToken?: number; readonly why?: string }
export type Answer = { readonly number: number; readonly value?: unknown; readonly error?: string; readonly code?: string }

let db: Opened
let store: SqliteStore
let candidate: Candidate | undefined
/** Stop this process by its own hand before this statement of the next transaction that writes. */
let freezeBefore: string | undefined
let writing = false
const patient = new AbortController().signal
setMaxListeners(0, patient)

const verbs = {
  open(file: string): void {
    db = openAny(file)
    const freezing = {
      prepare: (sql: string) => db.prepare(sql),
      exec(sql: string) {
        if (sql.startsWith('BEGIN')) writing = sql === 'BEGIN IMMEDIATE'
        if (writing && sql === freezeBefore) {
          freezeBefore = undefined
          process.kill(process.pid, 'SIGSTOP')
        }
        return db.exec(sql)
      },
    }
    store = sqlite(freezing)
  },
  async ensureSchema(): Promise<void> {
    await store.ensureSchema()
  },
  async acquire(bid: Bid): Promise<Lease | undefined> {
    return store.acquire(bid, patient)
  },
  async acquireAll(bids: readonly Bid[]): Promise<(Lease | undefined)[]> {
    return Promise.all(bids.map((bid) => store.acquire(bid, patient)))
  },
  async renew(bid: Bid): Promise<number> {
    return store.renew(bid, patient)
  },
  async release(hold: Hold): Promise<void> {
    return store.release(hold, patient)
  },
  async read(election: string): Promise<Lease | undefined> {
    return store.read(election, patient)
  },
  /** Stand until told to stop; events are told as they come. */
  async stand(options: { election: string; ttlMs: number; unref?: boolean }): Promise<void> {
    const own = new Candidate({ ...options, store })
    candidate = own
    own.on('elected', (tenure) => tell({ event: 'elected', at: hostMono(), fencingToken: tenure.fencingToken }))
    own.on('deposed', (_, why) => tell({ event: 'deposed', at: hostMono(), why }))
    own.on('trouble', (error) => tell({ event: 'trouble', at: hostMono(), why: error.message }))
    await own.start()
  },
  /** From now on say so whenever it is believed to lead. */
  act(): void {
    setInterval(() => {
      const fencingToken = candidate?.tenure?.fencingToken
      // The question and the stamp are one step: nothing can come between.
      if (fencingToken !== undefined) tell({ event: 'acted', at: hostMono(), fencingToken })
    }, 5)
  },
  async stop(): Promise<void> {
    await candidate?.stop()
  },
  isLeader: (): boolean => candidate?.isLeader ?? false,
  /** Win, hold for a moment, give back, as often as can be until that instant. */
  async contend(election: string, ttlMs: number, until: number): Promise<Term[]> {
    const terms: Term[] = []
    for (let i = 0; hostMono() < until; i++) {
      const bid: Bid = { election, holder: `${process.pid}-${i}`, candidate: `${process.pid}`, ttlMs }
      const askedAt = hostMono()
      const lease = await store.acquire(bid, patient).catch(() => undefined)
      const wonAt = hostMono()
      if (lease?.holder === bid.holder && lease.remainingMs > 0) {
        if (i % 2) await pause(Math.random() * 40)
        terms.push({ fencingToken: lease.fencingToken, askedAt, wonAt, overAt: Math.min(hostMono(), askedAt + lease.remainingMs) })
        await store.release(bid, patient).catch(() => {})
      } else await pause(Math.random() * 3)
    }
    return terms
  },
  freezeBefore(sql: string): void {
    freezeBefore = sql
  },
  /** Hold the write lock for so long, as a long transaction of somebody else would; resolves when it has it. */
  async lock(ms: number): Promise<void> {
    for (;;) {
      try {
        db.exec('BEGIN IMMEDIATE')
        break
      } catch {
        await pause(1)
      }
    }
    setTimeout(() => db.exec('COMMIT'), ms)
  },
  /** The longest that the loop stood still while calls were made for so long, in milliseconds. */
  async longestPause(election: string, ms: number): Promise<number> {
    db.exec('PRAGMA busy_timeout = 5000')
    let longest = 0
    let last = hostMono()
    const ticking = setInterval(() => {
      longest = Math.max(longest, hostMono() - last)
      last = hostMono()
    }, 1)
    const until = hostMono() + ms
    const bid: Bid = { election, holder: 'h', candidate: 'c', ttlMs: 60_000 }
    while (hostMono() < until) await store.acquire(bid, AbortSignal.timeout(ms)).catch(() => {})
    clearInterval(ticking)
    return longest
  },
  /** Let go of the channel: from now on only what it does keeps this process alive. */
  async leave(): Promise<void> {
    process.off('disconnect', end)
    setImmediate(() => process.disconnect())
  },
}

export type Verbs = typeof verbs

function tell(news: Told): void {
  if (process.connected) process.send?.(news)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const end = () => process.exit()

process.on('disconnect', end)
process.on('message', async ({ number, verb, args }: { number: number; verb: keyof Verbs; args: never[] }) => {
  let answer: Answer
  try {
    const call = verbs[verb] as (...given: never[]) => unknown
    answer = { number, value: await call(...args) }
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
    answer = { number, error: messageOf(thrown), code }
  }
  if (process.connected) process.send?.(answer)
})
tell({ event: 'ready', at: hostMono() })
