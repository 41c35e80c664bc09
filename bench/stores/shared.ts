/**
 * What is measured of every store on a real server: processes that stand and tell when they lead, handovers, crashes,
 * stalls, frozen processes, a crowd. Says what it saw; nothing is asserted. The file that uses it is its own child.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { Candidate, type LeaseStore } from '../../src/index.ts'

export const patient = new AbortController().signal
export const now = () => Number(process.hrtime.bigint()) / 1e6
export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
export const ms = (value: number) => `${value.toFixed(2)} ms`
export const mean = (all: readonly number[]) => all.reduce((sum, value) => sum + value, 0) / all.length

export function percentile(all: readonly number[], p: number): number {
  const sorted = [...all].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}

export function spread(all: readonly number[]): string {
  return `p50 ${ms(percentile(all, 0.5))}, p99 ${ms(percentile(all, 0.99))}, ${ms(Math.min(...all))} to ${ms(Math.max(...all))}, n ${all.length}`
}

let count = 0
export function bidFor(election: string, ttlMs: number) {
  count += 1
  return { election, holder: `h${process.pid}-${count}`, candidate: 'c', ttlMs }
}

/** A bid against one raw conditional write, in blocks that alternate, so that both meet the same machine. */
export async function ratioOf(name: string, raw: (i: number) => Promise<unknown>, store: LeaseStore, aim: string): Promise<void> {
  const ratios: number[] = []
  for (let block = 0; block < 10; block++) {
    const times = { raw: [] as number[], ours: [] as number[] }
    for (let i = 0; i < 200; i++) {
      let from = now()
      await raw(block * 200 + i)
      times.raw.push(now() - from)
      const bid = bidFor('uncontended', 60_000)
      from = now()
      await store.acquire(bid, patient)
      times.ours.push(now() - from)
      await store.release(bid, patient)
    }
    ratios.push(percentile(times.ours, 0.5) / percentile(times.raw, 0.5))
    if (block % 5 === 0) console.log(`${name}: raw ${ms(percentile(times.raw, 0.5))}, ours ${ms(percentile(times.ours, 0.5))}`)
  }
  console.log(
    `${name}: ratio ${percentile(ratios, 0.5).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}), aim ${aim}`,
  )
}

type News = { leads?: number; stands?: number; acted?: number; token?: number }

/** In a child: stand, tell when it leads, act on request. */
export async function stand(store: LeaseStore, election: string, ttlMs: number): Promise<void> {
  const candidate = new Candidate({ election, store, ttlMs })
  candidate.on('trouble', () => {})
  candidate.on('elected', ({ fencingToken }) => process.send?.({ leads: now(), token: fencingToken }))
  process.on('disconnect', () => process.exit())
  process.on('message', async (what) => {
    if (what === 'act') {
      setInterval(() => {
        // The stamp comes first: whoever is frozen between the two asks when it wakes, and is told the truth.
        const at = now()
        const token = candidate.tenure?.fencingToken
        if (token !== undefined) process.send?.({ acted: at, token })
      }, 5)
      return
    }
    await candidate.stop()
    await candidate.start()
  })
  await candidate.start()
  process.send?.({ stands: now() })
}

/** Children of one election. Each is this program again, with `child` and what it needs to open its store. */
export class Troupe {
  readonly children = new Set<ChildProcess>()
  readonly #program: string
  readonly #args: readonly string[]
  readonly #listeners = new Set<(child: ChildProcess, news: News) => void>()

  constructor(program: string, ...args: readonly string[]) {
    this.#program = program
    this.#args = args
  }

  heard(key: keyof News, of?: (child: ChildProcess) => boolean): Promise<{ child: ChildProcess; at: number }> {
    return new Promise((resolve) => {
      const listener = (child: ChildProcess, news: News) => {
        const at = news[key]
        if (at === undefined || (of && !of(child))) return
        this.#listeners.delete(listener)
        resolve({ child, at })
      }
      this.#listeners.add(listener)
    })
  }

  onNews(listener: (child: ChildProcess, news: News) => void): void {
    this.#listeners.add(listener)
  }

  start(): Promise<unknown> {
    const child = fork(this.#program, ['child', ...this.#args])
    this.children.add(child)
    child.on('message', (news: News) => {
      for (const listener of [...this.#listeners]) listener(child, news)
    })
    return this.heard('stands', (other) => other === child)
  }

  end(): void {
    for (const child of this.children) child.kill('SIGKILL')
  }
}

/** From the call of `stop()` of one leader to the first instant of the next, in another process. */
export async function handovers(troupe: Troupe, aim: string, rounds = 200): Promise<void> {
  try {
    const first = troupe.heard('leads')
    for (let i = 0; i < 4; i++) await troupe.start()
    let { child: leader } = await first
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      await sleep(50)
      const next = troupe.heard('leads')
      const calledAt = now()
      leader.send('stop')
      const { child, at } = await next
      times.push(at - calledAt)
      leader = child
    }
    console.log(`handover: ${spread(times)}; aim ${aim}`)
  } finally {
    troupe.end()
  }
}

/** From kill -9 to the next leader; the crash falls anywhere between two renewals, or in a shorter time where that is no matter. */
export async function crashes(troupe: Troupe, ttlMs: number, aim: string, rounds = 30, withinMs = ttlMs): Promise<void> {
  try {
    const elected: ChildProcess[] = []
    troupe.onNews((child, { leads }) => void (leads !== undefined && elected.push(child)))
    for (let i = 0; i < 3; i++) await troupe.start()
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      await troupe.start()
      await sleep(withinMs * (0.35 + Math.random() * 0.35))
      const leader = elected.at(-1)
      const next = troupe.heard('leads')
      const killedAt = now()
      leader?.kill('SIGKILL')
      if (leader) troupe.children.delete(leader)
      const { at } = await next
      times.push(at - killedAt)
    }
    // Who is elected though nobody was killed has followed one that lost its lease on a busy machine.
    const unprovoked = elected.length - 1 - rounds
    console.log(`kill -9, ttl ${ttlMs}: mean ${ms(mean(times))}, ${spread(times)}; aim ${aim}; ${unprovoked} changes unprovoked`)
  } finally {
    troupe.end()
  }
}

export interface Pair {
  /** Stalls the link of the first. */
  readonly stalled: LeaseStore
  readonly well: LeaseStore
  stall(): void
  resume(): void
  close(): Promise<void>
}

/** The link of each of twenty leaders stalls for six ttl: for how long did two believe? */
export async function stalls(pair: (i: number) => Promise<Pair>, ttlMs: number): Promise<void> {
  const pairs = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const made = await pair(i)
      const candidates = [made.stalled, made.well].map((store) => new Candidate({ election: `stall-${i}`, store, ttlMs }))
      for (const candidate of candidates) {
        candidate.on('trouble', () => {})
        await candidate.start()
      }
      return { ...made, candidates, both: 0 }
    }),
  )
  const sampler = setInterval(() => {
    for (const each of pairs) if (each.candidates.every(({ isLeader }) => isLeader)) each.both += 1
  }, 1)
  for (const { stall } of pairs) stall()
  await sleep(6 * ttlMs)
  const taken = pairs.filter(({ candidates }) => candidates[1]?.isLeader).length
  for (const { resume } of pairs) resume()
  await sleep(ttlMs)
  clearInterval(sampler)
  console.log(`stall of six ttl: ${pairs.length} rounds, ${taken} taken over, overlap ${pairs.reduce((sum, { both }) => sum + both, 0)} ms`)
  for (const { candidates, close } of pairs) {
    await Promise.all(candidates.map((candidate) => candidate.stop()))
    await close()
  }
}

/**
 * SIGSTOP for three ttl, SIGCONT: does whoever slept act as leader when it wakes? An action is stale if somebody had been
 * elected with a larger token before it.
 */
export async function freezes(troupeOf: (i: number) => Troupe, ttlMs: number, each = 5): Promise<void> {
  let stale = 0
  let rounds = 0
  let acts = 0
  const superseded: number[] = []
  const one = async (index: number) => {
    const troupe = troupeOf(index)
    try {
      const first = troupe.heard('leads')
      await Promise.all([troupe.start(), troupe.start()])
      let { child: leader } = await first
      const elections: { readonly at: number; readonly token: number }[] = []
      const actions: { readonly at: number; readonly token: number }[] = []
      troupe.onNews((_child, { leads, acted, token = 0 }) => {
        if (leads !== undefined) elections.push({ at: leads, token })
        if (acted !== undefined) actions.push({ at: acted, token })
      })
      for (const child of troupe.children) child.send('act')
      for (let round = 0; round < each; round++) {
        const sleeper = leader
        const next = troupe.heard('leads', (child) => child !== sleeper)
        sleeper.kill('SIGSTOP')
        const stoppedAt = now()
        const { child, at } = await next
        leader = child
        superseded.push(at - stoppedAt)
        await sleep(Math.max(0, stoppedAt + 3 * ttlMs - now()))
        sleeper.kill('SIGCONT')
        await sleep(500)
        rounds += 1
      }
      acts += actions.length
      // By their stamps, whenever they were heard: all processes of a host share one clock.
      stale += actions.filter(({ at, token }) => elections.some((election) => election.at < at && election.token > token)).length
    } finally {
      troupe.end()
    }
  }
  await Promise.all([0, 1, 2, 3].map(one))
  console.log(`SIGSTOP of three ttl (${ttlMs} ms): ${rounds} rounds, ${stale} stale actions of ${acts}; superseded ${spread(superseded)}`)
}

/** Ten thousand candidates of one process, leading. `statements` tells what the server has done since it was last asked. */
export async function tenThousand(store: LeaseStore, statements: () => Promise<string>): Promise<void> {
  const heap = () => {
    globalThis.gc?.()
    return process.memoryUsage().heapUsed
  }
  const before = heap()
  const candidates = Array.from({ length: 10_000 }, (_, i) => new Candidate({ election: `many-${i}`, store, ttlMs: 60_000 }))
  const from = now()
  await Promise.all(candidates.map((candidate) => candidate.start()))
  while (!candidates.every(({ isLeader }) => isLeader)) await sleep(10)
  console.log(`10,000 elections: all lead after ${ms(now() - from)}`)
  await sleep(5000)
  await statements()
  const each = (heap() - before) / candidates.length
  // Two rounds of renewals, one each 20 s.
  await sleep(40_000)
  console.log(
    `10,000 elections: in two rounds ${await statements()}; heap ${(each / 1000).toFixed(2)} kB each; ${candidates.filter(({ isLeader }) => isLeader).length} still lead`,
  )
  await Promise.all(candidates.map((candidate) => candidate.stop()))
}

/** Two hundred candidates, each with a store of its own, see one release. */
export async function crowd(open: () => LeaseStore, rounds = 5): Promise<void> {
  const firsts: number[] = []
  const calls: number[] = []
  for (let round = 0; round < rounds; round++) {
    const election = `crowd-${round}`
    const leader = new Candidate({ election, store: open(), ttlMs: 60_000 })
    await leader.start()
    const stores = Array.from({ length: 200 }, () => counted(open()))
    const candidates = stores.map(({ store }) => new Candidate({ election, store, ttlMs: 60_000 }))
    await Promise.all(candidates.map((candidate) => candidate.start()))
    await sleep(3000)
    for (const store of stores) store.calls = 0
    const acting = new Promise<number>((resolve) => {
      for (const candidate of candidates) candidate.on('elected', () => resolve(now()))
    })
    const from = now()
    const stopped = leader.stop()
    firsts.push((await acting) - from)
    await stopped
    await sleep(3000)
    calls.push(...stores.map((store) => store.calls))
    if (candidates.filter(({ isLeader }) => isLeader).length !== 1) throw new Error('not one leader')
    await Promise.all(candidates.map((candidate) => candidate.stop()))
  }
  console.log(`200 candidates: first acting after ${firsts.map((time) => time.toFixed(0)).join(', ')} ms, aim 50`)
  console.log(`200 candidates: calls each, mean ${mean(calls).toFixed(2)}, most ${Math.max(...calls)}, aim at most 3`)
}

function counted(store: LeaseStore) {
  const counting = {
    calls: 0,
    store: {
      ...store,
      acquire: (bid, signal) => {
        counting.calls += 1
        return store.acquire(bid, signal)
      },
    } satisfies LeaseStore as LeaseStore,
  }
  return counting
}
