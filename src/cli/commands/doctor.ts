/**
 * `tenure doctor`: whether the store can be reached, how fast it is, whether our rights suffice, whether this host's
 * clocks agree, and which ttl suits all that. It leads nobody's election.
 */

import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type LeaseStore, TenureError } from '../../index.ts'
import { asked, type StoreOptions, type Verb, withConnected, withStore } from '../command.ts'
import type { Connected, Examined, Finding } from '../connected.ts'
import { durationText } from '../durations.ts'
import { withLevel } from '../examined.ts'
import { exitCode, exitCodeOf } from '../exit-codes.ts'
import { colorsFor, printable, Talk } from '../output.ts'

interface DoctorOptions extends StoreOptions {
  readonly json?: boolean | undefined
}

/** With the name of the store: where its row has to stay, another kind of store in the same table cannot use it. */
const ELECTION = 'tenure-doctor'
const ROUNDS = 20
/** A renewal may take a sixth of the ttl; one that is usually ten times as quick as that is never missed. */
const TTL_PER_CALL = 60
const DEFAULT_TTL_MS = 15_000
/** What one clock may be off, as the library assumes it. */
const DRIFT = 0.005
/** The longest that is waited for a server that was started a moment ago: the ttl of a bid, and some. */
const SETTLING_MS = 30_000

export const doctor: Verb = {
  add(program, _rest, done) {
    withStore(program.command('doctor').description('examine the store: reach, latency, rights, clocks, settings'))
      .option('--json', 'one JSON object')
      .action((options: DoctorOptions) => done(withConnected(options, (connected) => examine(connected, options))))
  },
}

async function examine(connected: Connected, options: DoctorOptions): Promise<number> {
  const before = { mono: performance.now(), wall: Date.now() }
  const rehearse = connected.rehearse ?? (<T>(use: (store: LeaseStore) => Promise<T>) => use(connected.store))
  const rehearsal = rehearse(async (store) => {
    await settled(connected, store, new Talk(options))
    return slowestCall(connected, store)
  })
  const slowest = await rehearsal.catch(refusalOf)
  if (slowest instanceof TenureError) {
    // Why, and what to do about it, may be found there; where that is refused as well, or cannot be asked, all is said.
    const found = await connected.examine?.().catch(() => undefined)
    if (!found) throw slowest
    print(connected, options, null, withLevel(found, [...refusals(slowest, found), clockFinding(before), ...found.findings]))
    return exitCodeOf(slowest)
  }
  const found = await connected.examine?.()
  const findings: readonly Finding[] = [
    { level: 'good', text: `${connected.where} can be reached; bids, renewals and releases are allowed` },
    { level: 'good', text: `of ${3 * ROUNDS} calls the slowest took ${millis(slowest)}` },
    clockFinding(before),
    ...(found?.findings ?? []),
    ttlFinding(slowest, connected.store.minTtlMs ?? 100),
  ]
  print(connected, options, slowest, found ? withLevel(found, findings) : findings)
  return findings.some(({ level }) => level === 'unfit') ? exitCode.configuration : exitCode.ok
}

/** Why the store has refused, where the examination does not say the same, together with what to do. */
function refusals({ message }: TenureError, { findings }: Examined): readonly Finding[] {
  const isSaid = findings.some(({ level, subject }) => level === 'unfit' && subject !== undefined && message.includes(subject))
  return isSaid ? [] : [{ level: 'unfit', text: message }]
}

/** A store that refuses to serve is what a doctor is asked about. Throws everything else. */
function refusalOf(thrown: unknown): TenureError {
  if (thrown instanceof TenureError && (thrown.code === 'store-unfit' || thrown.code === 'store-denied')) return thrown
  throw thrown
}

function print({ where }: Connected, { json }: DoctorOptions, slowestCallMs: number | null, findings: readonly Finding[]): void {
  const rounded = slowestCallMs === null ? null : Math.round(slowestCallMs * 100) / 100
  const plain = findings.map(({ level, text }) => ({ level, text }))
  if (json) process.stdout.write(`${JSON.stringify({ store: where, slowestCallMs: rounded, findings: plain })}\n`)
  else process.stdout.write(`${findings.map(lineOf).join('\n')}\n`)
}

/** Wait, and say so, while the server was started too recently to give anybody a lease. Throws whatever else it refuses. */
async function settled(connected: Connected, store: LeaseStore, talk: Talk): Promise<void> {
  const until = performance.now() + SETTLING_MS
  for (let isTold = false; ; isTold = true) {
    const bid = bidFor(store)
    try {
      await asked(connected, (signal) => store.acquire(bid, signal))
      return await asked(connected, (signal) => store.release(bid, signal))
    } catch (thrown) {
      const forMs = connected.settlingMs?.(thrown)
      if (forMs === undefined || performance.now() + forMs > until) throw thrown
      const sentence = `${connected.where} was started a moment ago, and gives nobody a lease for another ${durationText(forMs)}: waiting`
      if (!isTold) talk.note('settling', sentence, { forMs })
      await pause(forMs)
    }
  }
}

function bidFor({ name, minTtlMs = 0 }: LeaseStore) {
  const ttlMs = Math.max(DEFAULT_TTL_MS, minTtlMs)
  return { election: `${ELECTION}-${name}`, holder: randomBytes(16).toString('hex'), candidate: 'doctor', ttlMs }
}

/** Lead and give back, time and again. Throws whatever the store refuses. */
async function slowestCall(connected: Connected, store: LeaseStore): Promise<number> {
  let slowest = 0
  const timed = async <T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const begun = performance.now()
    const answer = await asked(connected, call)
    slowest = Math.max(slowest, performance.now() - begun)
    return answer
  }
  for (let round = 0; round < ROUNDS; round++) {
    const bid = bidFor(store)
    const lease = await timed((signal) => store.acquire(bid, signal))
    // Another doctor is at work, and proves the same.
    if (lease?.holder !== bid.holder) continue
    await timed((signal) => store.renew(bid, signal))
    await timed((signal) => store.release(bid, signal))
  }
  return slowest
}

function clockFinding(before: { readonly mono: number; readonly wall: number }): Finding {
  const mono = performance.now() - before.mono
  const apart = Math.abs(Date.now() - before.wall - mono)
  // The wall clock tells whole milliseconds.
  if (apart <= 2 + mono * DRIFT) return { level: 'good', text: 'the clocks of this host agree' }
  return { level: 'doubtful', text: `the wall clock moved by ${millis(apart)} while this ran: a leader here would step down early` }
}

function ttlFinding(slowest: number, least: number): Finding {
  const ttl = Math.max(least, Math.ceil((slowest * TTL_PER_CALL) / 1000) * 1000)
  if (ttl <= DEFAULT_TTL_MS) return { level: 'good', text: `the default ttl of 15s suits it; do not go below ${durationText(ttl)}` }
  return { level: 'doubtful', text: `it is slow: use --ttl ${durationText(ttl)} or more` }
}

function lineOf({ level, text }: Finding): string {
  const { green, yellow, red } = colorsFor(process.stdout)
  const color = { good: green, doubtful: yellow, unfit: red }[level]
  const word = { good: 'ok     ', doubtful: 'look at', unfit: 'unfit  ' }[level]
  return `${color(word)}  ${printable(text)}`
}

function millis(ms: number): string {
  return `${Math.round(ms * 10) / 10} ms`
}
