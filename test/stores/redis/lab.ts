/** What the tests of the Redis store share: clients of both drivers, bids, an operator, believers, and waiting. */

import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { Candidate, type CandidateOptions, type LeaseStore } from '../../../src/index.ts'
import type { Bid } from '../../../src/store.ts'
import { type RedisClient, type RedisOptions, redis } from '../../../src/stores/redis.ts'
import { type Change, plant } from '../../harness/plant.ts'
import { until } from '../../harness/server.ts'

export type Open = typeof redis

export type ClientAt = (port: number, user?: { username: string; password: string }) => RedisClient

/** Each driver, and a client of it that is not connected. */
export const drivers: readonly (readonly [string, ClientAt])[] = [
  ['ioredis', (port, user) => new Redis({ port, host: '127.0.0.1', lazyConnect: true, ...user })],
  ['node-redis', (port, user) => createClient({ socket: { port, host: '127.0.0.1' }, ...user })],
]

export function storeAt(port: number, options: RedisOptions = {}): LeaseStore {
  return redis(new Redis({ port, host: '127.0.0.1', lazyConnect: true }), options)
}

/** The store with a fault planted in its source. */
export async function faulty(...changes: Change[]): Promise<Open> {
  const module = (await plant('src/stores/redis.ts', changes)) as { redis: Open }
  return module.redis
}

let count = 0

export function electionName(): string {
  count += 1
  return `election-${process.pid}-${count}`
}

export function bidFor(election: string, over: Partial<Bid> = {}): Bid {
  count += 1
  return { election, holder: `holder-${process.pid}-${count}`, candidate: `candidate-${count}`, ttlMs: 60_000, ...over }
}

/** A signal for a call that is not expected to hang. */
export function patient(): AbortSignal {
  return AbortSignal.timeout(25_000)
}

/** Bid until the lease is ours. */
export async function wins(store: LeaseStore, election: string, over: Partial<Bid> = {}): Promise<Bid & { token: number }> {
  let won: (Bid & { token: number }) | undefined
  await until(`${election} is won`, async () => {
    const bid = bidFor(election, over)
    const lease = await store.acquire(bid, AbortSignal.timeout(5000))
    if (lease?.holder === bid.holder && lease.remainingMs > 0) won = { ...bid, token: lease.fencingToken }
    return won !== undefined
  })
  if (!won) throw new Error('never')
  return won
}

/** What became of a call: its answer, or the error. */
export async function outcome<T>(call: Promise<T>): Promise<T | Error> {
  return call.catch((thrown: unknown) => (thrown instanceof Error ? thrown : new Error(String(thrown))))
}

/** Every script has been run once, so that a late EVALSHA is not answered with NOSCRIPT. */
export async function warm(store: LeaseStore): Promise<void> {
  const bid = await wins(store, electionName())
  await store.renew(bid, patient())
  await store.release(bid, patient())
  await store.read(bid.election, patient())
}

/** Resolves when the server runs the next command that contains this text; `armed` before anything is let go. */
export async function landing(port: number, text: string): Promise<{ readonly landed: Promise<void> }> {
  const operator = new Redis(port, '127.0.0.1')
  const monitor = await operator.monitor()
  const landed = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time: string, args: string[]) => {
      if (!args.some((arg) => arg.includes(text))) return
      monitor.disconnect()
      operator.disconnect()
      resolve()
    })
  })
  return { landed }
}

/** Somebody who looks after the server, on a connection of his own. */
export async function operating<T>(port: number, work: (operator: Redis) => Promise<T>): Promise<T> {
  const operator = new Redis(port, '127.0.0.1')
  operator.on('error', () => {})
  try {
    return await work(operator)
  } finally {
    operator.disconnect()
  }
}

/** How many connections of stores the server has. */
export function connectionsAt(port: number): Promise<number> {
  return operating(port, async (operator) => String(await operator.client('LIST')).split(' name=tenure ').length - 1)
}

/** Wait until a server has run for so long that it gives away leases of this ttl. */
export async function settled(port: number, ttlMs: number): Promise<void> {
  await operating(port, (operator) =>
    until('the server has settled', async () => {
      const uptime = /uptime_in_seconds:(\d+)/.exec(await operator.info('server'))?.[1]
      return (Number(uptime) - 1) * 1000 >= ttlMs
    }),
  )
}

/** Candidates of one election in one process, whose belief is compared again and again. */
export class Believers {
  readonly election = electionName()
  readonly all: Candidate[] = []
  /** Tokens in the order of their tenures. */
  readonly tokens: number[] = []
  /** How often two were seen to lead at once. */
  overlaps = 0
  readonly #watch: NodeJS.Timeout

  constructor() {
    this.#watch = setInterval(() => this.look(), 2)
  }

  add(store: LeaseStore, options: Partial<CandidateOptions> = {}): Candidate {
    const candidate = new Candidate({ election: this.election, store, ...options })
    candidate.on('elected', ({ fencingToken }) => {
      this.tokens.push(fencingToken)
      this.look()
    })
    candidate.on('trouble', () => {})
    this.all.push(candidate)
    return candidate
  }

  look(): void {
    if (this.all.filter((candidate) => candidate.isLeader).length > 1) this.overlaps += 1
  }

  /** The one that leads, other than `but`; waits for it. */
  async leader(but?: Candidate): Promise<Candidate> {
    const leading = () => this.all.find((candidate) => candidate !== but && candidate.isLeader)
    await until('somebody leads', () => leading() !== undefined)
    return leading() ?? this.leader(but)
  }

  get grows(): boolean {
    return this.tokens.every((token, i) => token > (this.tokens[i - 1] ?? 0))
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch)
    await Promise.all(this.all.map((candidate) => candidate.stop()))
  }
}
