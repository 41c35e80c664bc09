/** The faults, the same for every elector. Each round plays on a stage of its own, except handovers. */

import { loadavg } from 'node:os'
import { startProxy } from '../../test/harness/proxy.ts'
import type { Elector } from './catalogue.ts'
import { overlapOf, staleOf } from './judge.ts'
import { type Actor, now, type Place, Stage, sleep } from './stage.ts'

/** Of every elector that takes one. */
export const TTL_MS = 4000
/** Longer is never waited for the next leader. */
const BOUND_MS = 5 * TTL_MS
/** Nor for the first one, on a machine that is busy with starting processes. */
const FIRST_MS = 60_000
/** Rounds beside each other. */
const BESIDE = 5

/** What a fault did, round by round. */
export interface Seen {
  /** For how long two acted side by side. */
  readonly overlapMs: number[]
  /** Actions after a successor had begun. */
  readonly stale: number[]
  /** Until the next leader acted; rounds without one are missing here. */
  readonly nextMs: number[]
  rounds: number
  /** Processes that ended by themselves, and with what words. */
  readonly deaths: string[]
  /** Of the machine in the minute before. */
  readonly load: number
}

const nothing = (): Seen => ({ overlapMs: [], stale: [], nextMs: [], rounds: 0, deaths: [], load: loadavg()[0] ?? 0 })

type Round = (elector: Elector, election: string, place: Place, seen: Seen) => Promise<void>

async function play(name: string, round: Round, rounds: number, elector: Elector, place: Place): Promise<Seen> {
  const seen = nothing()
  for (let begun = 0; begun < rounds; begun += BESIDE) {
    const beside = Math.min(BESIDE, rounds - begun)
    const one = async (election: string) => {
      try {
        await round(elector, election, place, seen)
      } catch (error) {
        // A round that could not begin says nothing about the fault.
        console.error(`${elector.name}, ${election}: ${error}; once more`)
        await round(elector, `${election}-again`, place, seen)
      }
    }
    // Who fails must not leave the others behind.
    const ends = await Promise.allSettled(Array.from({ length: beside }, (_, i) => one(`${name}-${begun + i}`)))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
  return seen
}

export const stall = (elector: Elector, place: Place, rounds: number) => play('stall', stallOnce, rounds, elector, place)
export const freeze = (elector: Elector, place: Place, rounds: number) => play('freeze', freezeOnce, rounds, elector, place)
export const kill = (elector: Elector, place: Place, rounds: number) => play('kill', killOnce, rounds, elector, place)

/** Two that stand, the first of them leading; at some moment between two renewals. */
async function pair(stage: Stage, of: Place, other: Place): Promise<Actor> {
  const from = now()
  const leader = await stage.enter(of)
  if (!(await stage.next(from, FIRST_MS))) throw new Error('nobody leads')
  await stage.enter(other)
  await sleep(TTL_MS * (0.25 + Math.random() / 2))
  return leader
}

/** Packets of the leader are swallowed for six ttl, its sockets stay open; then a ttl in which it could notice. */
async function stallOnce(elector: Elector, election: string, place: Place, seen: Seen): Promise<void> {
  const stage = new Stage(elector, election, TTL_MS)
  const proxy = await startProxy(place.port)
  try {
    const leader = await pair(stage, { ...place, port: proxy.port }, place)
    const stalledAt = now()
    proxy.stall()
    const next = stage.next(stalledAt, 6 * TTL_MS, leader)
    await sleep(6 * TTL_MS)
    proxy.resume()
    await sleep(TTL_MS)
    await judge(stage, seen, stalledAt, (await next)?.at)
  } finally {
    await stage.end()
    await proxy.close()
  }
}

/** The leader's process sleeps for three ttl; then a ttl in which it could notice. */
async function freezeOnce(elector: Elector, election: string, place: Place, seen: Seen): Promise<void> {
  const stage = new Stage(elector, election, TTL_MS)
  try {
    const leader = await pair(stage, place, place)
    const stoppedAt = now()
    leader.child.kill('SIGSTOP')
    const next = stage.next(stoppedAt, 3 * TTL_MS, leader)
    await sleep(3 * TTL_MS)
    leader.child.kill('SIGCONT')
    await sleep(TTL_MS)
    await judge(stage, seen, stoppedAt, (await next)?.at)
  } finally {
    await stage.end()
  }
}

async function killOnce(elector: Elector, election: string, place: Place, seen: Seen): Promise<void> {
  const stage = new Stage(elector, election, TTL_MS)
  try {
    const leader = await pair(stage, place, place)
    const killedAt = now()
    leader.child.kill('SIGKILL')
    const next = await stage.next(killedAt, BOUND_MS, leader)
    await judge(stage, seen, killedAt, next?.at)
  } finally {
    await stage.end()
  }
}

/** Three that stand; whoever leads stops, and stands again when the next one leads. */
export async function handover(elector: Elector, place: Place, rounds: number): Promise<Seen> {
  const seen = nothing()
  const stage = new Stage(elector, 'handover', TTL_MS)
  try {
    const from = now()
    for (let i = 0; i < 3; i++) await stage.enter(place)
    let leader = (await stage.next(from, FIRST_MS))?.actor
    let failures = 0
    for (let round = 0; round < rounds && leader && failures < 3; round++) {
      await sleep(500 + Math.random() * 1000)
      const stopping = now()
      const { called, done } = stage.stop(leader, BOUND_MS)
      const calledAt = (await called) ?? stopping
      const next = await stage.next(calledAt, BOUND_MS, leader)
      await done
      seen.rounds += 1
      if (next) seen.nextMs.push(next.at - calledAt)
      failures = next ? 0 : failures + 1
      await stage.start(leader)
      leader = next?.actor ?? stage.leader()
    }
    await sleep(250)
    seen.overlapMs.push(overlapOf(stage.deeds))
    seen.stale.push(staleOf(stage.deeds).length)
    return seen
  } finally {
    await stage.end()
  }
}

async function judge(stage: Stage, seen: Seen, from: number, nextAt: number | undefined): Promise<void> {
  // What was done last has still to be told.
  await sleep(250)
  seen.rounds += 1
  seen.overlapMs.push(overlapOf(stage.deeds))
  seen.stale.push(staleOf(stage.deeds).length)
  if (nextAt !== undefined) seen.nextMs.push(nextAt - from)
  for (const { died } of stage.actors) if (died) seen.deaths.push(died)
}
