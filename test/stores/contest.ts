/** What the promises are kept by: the candidates of one election, whose belief is compared, and bids past all candidates. */

import { expect } from 'vitest'
import { Candidate, type CandidateOptions, type LeaseStore } from '../../src/index.ts'
import type { Bid, Lease } from '../../src/store.ts'
import { until } from '../harness/server.ts'

/** Longer than any pause of a busy machine: nothing expires that is renewed. */
export const LONG_MS = 30_000
/** For what has to expire. */
export const SHORT_MS = 4000
/** A release, a deletion or a failure is felt after so long at the latest, where the store tells of nothing. */
const quick = { renewMs: 500, retryMs: 700 }

/** No call is given up, however busy the host: where it matters that no trouble is told. */
export const patient = { renewMs: 5000, callMs: 5000, retryMs: 6000 }

let count = 0

/** The candidates of one election, whose belief is compared whenever somebody is elected. */
export class Contest {
  readonly election: string
  readonly all: Candidate[] = []
  readonly tokens: number[] = []
  readonly said: string[] = []
  overlaps = 0

  constructor() {
    count += 1
    this.election = `promise-${process.pid}-${count}`
  }

  add(store: LeaseStore, options: Partial<CandidateOptions> = {}): Candidate {
    const id = `c${this.all.length}`
    const candidate = new Candidate({ election: this.election, store, id, ttlMs: LONG_MS, ...quick, ...options })
    this.all.push(candidate)
    candidate.on('elected', ({ fencingToken }) => {
      this.tokens.push(fencingToken)
      this.said.push(`${candidate.id} elected`)
      if (this.leaders.length > 1) this.overlaps += 1
    })
    candidate.on('deposed', (_, why) => void this.said.push(`${candidate.id} ${why}`))
    candidate.on('trouble', ({ code }) => void this.said.push(`${candidate.id} ${code}`))
    return candidate
  }

  get leaders(): Candidate[] {
    return this.all.filter((candidate) => candidate.isLeader)
  }

  /** Who leads, other than `but`; waits for it. */
  async leader(but?: Candidate): Promise<Candidate> {
    const found = () => this.leaders.find((candidate) => candidate !== but)
    await until(`somebody leads ${this.election}`, () => found() !== undefined, 60_000)
    return found() ?? this.leader(but)
  }

  start(): Promise<unknown> {
    return Promise.all(this.all.map((candidate) => candidate.start()))
  }

  stop(): Promise<unknown> {
    return Promise.all(this.all.map((candidate) => candidate.stop()))
  }

  /** Nobody ever led beside another, and each token was larger than the one before. */
  judge({ overlaps = 0 } = {}): void {
    expect(this.overlaps).toBeLessThanOrEqual(overlaps)
    expect(this.tokens).toEqual([...new Set(this.tokens)].sort((a, b) => a - b))
  }
}

export function bidFor(election: string, ttlMs: number): Bid {
  count += 1
  return { election, holder: `promise-${process.pid}-${count}`, candidate: `c${count}`, ttlMs }
}

export function calm(): AbortSignal {
  return AbortSignal.timeout(25_000)
}

/** Bid until the lease is ours: a server may be about to be there again, and a lease about to be over. */
export async function wins(store: LeaseStore, bid: Bid): Promise<Lease> {
  let lease: Lease | undefined
  const ours = async () => {
    lease = await store.acquire(bid, AbortSignal.timeout(5000))
    return lease?.holder === bid.holder && lease.remainingMs > 0
  }
  await until(`${bid.election} is won`, ours, 60_000)
  if (!lease) throw new Error('never')
  return lease
}

/** Give back, however often the server has to be asked. */
export function release(store: LeaseStore, hold: Pick<Bid, 'election' | 'holder'>): Promise<void> {
  return until('it is given back', () => store.release(hold, AbortSignal.timeout(5000)))
}
