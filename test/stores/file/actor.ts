/**
 * A process that does with a file store what it is told over its channel, and says what came of it and when. Ends with
 * whoever started it. Instants are milliseconds of the one monotonic clock of this host.
 */

import { closeSync, openSync } from 'node:fs'
import { Candidate } from '../../../src/candidate.ts'
import { messageOf } from '../../../src/errors.ts'
import type { Bid, Hold, Lease } from '../../../src/store.ts'
import { type FileStore, file } from '../../../src/stores/file.ts'

export interface Term {
  readonly fencingToken: number
  /** Just before the bid left. */
  readonly askedAt: number
  readonly wonAt: number
  /** Just before the release left, or the deadline if that came first. */
  readonly overAt: number
}

export const now = (): number => Number(process.hrtime.bigint()) / 1e6

let store: FileStore
let candidate: Candidate | undefined
const patient = new AbortController().signal
const descriptors: number[] = []

const verbs = {
  open(dir: string): void {
    store = file({ dir })
  },
  async acquire(bid: Bid): Promise<Lease | undefined> {
    return store.acquire(bid, patient)
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
  async list(): Promise<readonly string[]> {
    return (await store.list?.(patient)) ?? []
  },
  /** Hold all these elections. */
  async acquireAll(bids: readonly Bid[]): Promise<(Lease | undefined)[]> {
    const leases = []
    for (const bid of bids) leases.push(await store.acquire(bid, patient))
    return leases
  },
  /** Stand until told to stop; events are told as they come. */
  async stand(options: { election: string; ttlMs: number; id?: string; unref?: boolean }): Promise<void> {
    const own = new Candidate({ ...options, store })
    candidate = own
    own.on('elected', (tenure) => tell({ event: 'elected', at: now(), fencingToken: tenure.fencingToken }))
    own.on('deposed', (_, why) => tell({ event: 'deposed', at: now(), why }))
    own.on('trouble', (error) => tell({ event: 'trouble', at: now(), why: error.message }))
    await own.start()
  },
  isLeader: (): boolean => candidate?.isLeader ?? false,
  async stop(): Promise<void> {
    await candidate?.stop()
  },
  /** Win, hold for a moment, give back, as often as can be until that instant. */
  async contend(election: string, ttlMs: number, until: number): Promise<Term[]> {
    const terms: Term[] = []
    for (let i = 0; now() < until; i++) {
      const bid: Bid = { election, holder: `${process.pid}-${i}`, candidate: `${process.pid}`, ttlMs }
      const askedAt = now()
      const lease = await store.acquire(bid, patient)
      const wonAt = now()
      if (lease?.holder === bid.holder && lease.remainingMs > 0) {
        const deadline = askedAt + ttlMs * 0.99
        if (i % 2) await pause(Math.random() * 40)
        terms.push({ fencingToken: lease.fencingToken, askedAt, wonAt, overAt: Math.min(now(), deadline) })
        await store.release(bid, patient)
      } else await pause(Math.random() * 3)
    }
    return terms
  },
  /** Use up all descriptors but `spare`, or give them back. */
  exhaust(spare: number): number {
    try {
      for (;;) descriptors.push(openSync('/dev/null', 'r'))
    } catch {
      for (const fd of descriptors.splice(0, spare)) closeSync(fd)
    }
    return descriptors.length
  },
  recover(): void {
    for (const fd of descriptors.splice(0)) closeSync(fd)
  },
  /** Hand the socket of this leader to a child of ours, and say its pid. */
  async guard(election: string, script: string): Promise<number | undefined> {
    const { fork } = await import('node:child_process')
    const server = store.livenessServer(election)
    const child = fork(script, ['hold'], { stdio: 'ignore' })
    if (!server) throw new Error('nothing listens')
    child.send('socket', server)
    await new Promise((resolve) => child.once('message', resolve))
    child.disconnect()
    child.unref()
    return child.pid
  },
  /** End without giving anything back. */
  end(how: 'exit' | 'throw' | 'reject' | 'abort'): void {
    if (how === 'exit') setImmediate(() => process.exit(0))
    if (how === 'abort') setImmediate(() => process.abort())
    if (how === 'reject') void Promise.reject(new Error('nobody catches this'))
    if (how === 'throw') {
      setImmediate(() => {
        throw new Error('nobody catches this')
      })
    }
  },
  /** Let go of the channel: from now on only what it does keeps this process alive. */
  async leave(): Promise<void> {
    process.off('disconnect', end)
    setImmediate(() => process.disconnect())
  },
}

export type Verbs = typeof verbs

export type Told = { readonly event: string; readonly at: number; readonly fencingToken?: number; readonly why?: string }

interface Question {
  readonly number: number
  readonly verb: keyof Verbs
  readonly args: never[]
}

export type Answer = { readonly number: number; readonly value?: unknown; readonly error?: string; readonly code?: string }

function tell(news: Told): void {
  process.send?.(news)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const end = () => process.exit()

/** A child that does nothing but keep a socket open until it is killed. */
function hold(): void {
  process.on('message', () => {
    process.send?.('held')
    setInterval(() => {}, 1e6)
  })
}

function act(): void {
  process.on('disconnect', end)
  process.on('message', async ({ number, verb, args }: Question) => {
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
  tell({ event: 'ready', at: now() })
}

if (process.argv[2] === 'hold') hold()
else act()
