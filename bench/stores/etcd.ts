/**
 * What the etcd store costs, on a real server: a bid against a raw conditional write, a handover, a crash, a stalled link,
 * a frozen process, what followers ask, ten thousand elections, and a crowd. Processes are real where they are the
 * subject. Run by `node scripts/bundled.mjs bench/stores/etcd.ts [part...]`; nothing is asserted.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Candidate, type LeaseStore } from '../../src/index.ts'
import { encode, oldestOf, rangeOf, untouched } from '../../src/stores/etcd/wire.ts'
import { type EtcdOptions, etcd } from '../../src/stores/etcd.ts'
import { startProxy } from '../../test/harness/proxy.ts'
import { type Server, startEtcd } from '../../test/harness/servers.ts'

// As the core does it: one for each call.
const patient = () => new AbortController().signal
const now = () => Number(process.hrtime.bigint()) / 1e6
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const percentile = (all: readonly number[], p: number) => {
  const sorted = [...all].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}
const ms = (value: number) => `${value.toFixed(2)} ms`
const spread = (all: readonly number[]) =>
  `p50 ${ms(percentile(all, 0.5))}, p99 ${ms(percentile(all, 0.99))}, ${ms(Math.min(...all))} to ${ms(Math.max(...all))}, n ${all.length}`
let count = 0
const bidFor = (election: string, ttlMs: number) => ({ election, holder: `h${process.pid}-${count++}`, candidate: 'c', ttlMs })

const parts: Record<string, (server: Server) => Promise<void>> = { bids, handovers, crashes, stalls, freezes, followers, many, crowd }

/** A bid, against one raw transaction of the same shape on a lease that is there. */
async function bids({ port }: Server): Promise<void> {
  const url = `http://127.0.0.1:${port}`
  const ask = async (path: string, body: object) =>
    (await (await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })).json()) as { ID?: string }
  const { ID: lease } = await ask('/v3/lease/grant', { TTL: '600' })
  const raw = async (i: number) => {
    const range = rangeOf(`raw/${i}/`)
    const success = [{ request_put: { key: encode(`raw/${i}/h`), value: encode('c'), lease } }]
    await ask('/v3/kv/txn', { compare: [untouched(range)], success, failure: [{ request_range: oldestOf(range) }] })
  }
  const store = etcd({ endpoints: url })
  await store.acquire(bidFor('keeps-the-lease', 60_000), patient())
  const ratios: number[] = []
  const first: number[] = []
  for (let block = 0; block < 5; block++) {
    const times = { raw: [] as number[], ours: [] as number[], first: [] as number[] }
    for (let i = 0; i < 100; i++) {
      let from = now()
      await raw(block * 100 + i)
      times.raw.push(now() - from)
      const bid = bidFor('uncontended', 60_000)
      from = now()
      await store.acquire(bid, patient())
      times.ours.push(now() - from)
      await store.release(bid, patient())
      const fresh = etcd({ endpoints: url })
      const own = bidFor('alone', 60_000)
      from = now()
      await fresh.acquire(own, patient())
      times.first.push(now() - from)
      await fresh.release(own, patient())
    }
    ratios.push(percentile(times.ours, 0.5) / percentile(times.raw, 0.5))
    first.push(percentile(times.first, 0.5) / percentile(times.raw, 0.5))
    console.log(
      `bids: raw ${ms(percentile(times.raw, 0.5))}, ours ${ms(percentile(times.ours, 0.5))}, first of a process ${ms(percentile(times.first, 0.5))}`,
    )
  }
  const range = (all: number[]) => `${percentile(all, 0.5).toFixed(2)} (${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)})`
  console.log(`bids: ratio ${range(ratios)}, aim 2.3; the first of a process, which looks and is granted a lease: ${range(first)}`)
}

type News = { leads?: number; stopped?: number; stands?: number; acted?: number; token?: number }

/** A process that stands, tells when it leads, and counts what it did as leader behind the back of a successor. */
async function stand(url: string, ttlMs: number): Promise<void> {
  const [endpoints = '', election = 'e'] = url.split('#')
  const candidate = new Candidate({ election, store: etcd({ endpoints }), ttlMs })
  candidate.on('trouble', () => {})
  candidate.on('elected', ({ fencingToken }) => process.send?.({ leads: now(), token: fencingToken }))
  process.on('disconnect', () => process.exit())
  process.on('message', async (what) => {
    if (what === 'watch') return acting(candidate)
    await candidate.stop()
    process.send?.({ stopped: now() })
    await candidate.start()
  })
  await candidate.start()
  process.send?.({ stands: now() })
}

/** Ask as often as possible; each time it believes to lead is an action. */
function acting(candidate: Candidate): void {
  setInterval(() => {
    // The moment of the question: a process may be frozen between it and what follows.
    const askedAt = now()
    const { tenure } = candidate
    if (tenure) process.send?.({ acted: askedAt, token: tenure.fencingToken })
  }, 5)
}

class Troupe {
  readonly children = new Set<ChildProcess>()
  readonly #listeners = new Set<(child: ChildProcess, news: News) => void>()

  readonly url: string
  readonly ttlMs: number

  constructor(url: string, ttlMs: number) {
    this.url = url
    this.ttlMs = ttlMs
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
    const child = fork(fileURLToPath(import.meta.url), ['child', this.url, String(this.ttlMs)])
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
async function handovers({ port }: Server): Promise<void> {
  const troupe = new Troupe(`http://127.0.0.1:${port}`, 15_000)
  try {
    const first = troupe.heard('leads')
    for (let i = 0; i < 4; i++) await troupe.start()
    let { child: leader } = await first
    const times: number[] = []
    const raw: number[] = []
    for (let round = 0; round < 200; round++) {
      await sleep(50)
      // What the machine is good for at this moment.
      const from = now()
      const body = JSON.stringify({ success: [{ request_put: { key: encode('raw'), value: encode('v') } }] })
      await (await fetch(`http://127.0.0.1:${port}/v3/kv/txn`, { method: 'POST', body })).text()
      raw.push(now() - from)
      const next = troupe.heard('leads')
      const calledAt = now()
      leader.send('stop')
      const { child, at } = await next
      times.push(at - calledAt)
      leader = child
    }
    console.log(`handover: ${spread(times)}; aim p50 8, p99 30; one raw write meanwhile: ${spread(raw)}`)
  } finally {
    troupe.end()
  }
}

/** From kill -9 to the next leader; the crash falls anywhere between two renewals. */
async function crashes({ port }: Server): Promise<void> {
  const ttlMs = 2000
  const troupe = new Troupe(`http://127.0.0.1:${port}`, ttlMs)
  try {
    const first = troupe.heard('leads')
    for (let i = 0; i < 3; i++) await troupe.start()
    let { child: leader } = await first
    const times: number[] = []
    for (let round = 0; round < 30; round++) {
      await troupe.start()
      await sleep(700 + Math.random() * 700)
      const next = troupe.heard('leads')
      const killedAt = now()
      leader.kill('SIGKILL')
      troupe.children.delete(leader)
      const { child, at } = await next
      times.push(at - killedAt)
      leader = child
    }
    const mean = times.reduce((sum, time) => sum + time, 0) / times.length
    console.log(`kill -9, ttl ${ttlMs}: mean ${ms(mean)}, ${spread(times)}; aim at most ${ttlMs * 1.05 + 650}`)
  } finally {
    troupe.end()
  }
}

/** The link of each of twenty leaders stalls for six ttl: how long did two believe? */
async function stalls({ port }: Server): Promise<void> {
  const ttlMs = 2000
  const pairs = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const proxy = await startProxy(port)
      const stores = [proxy.port, port].map((at) => etcd({ endpoints: `http://127.0.0.1:${at}` }))
      const candidates = stores.map((store) => new Candidate({ election: `stall-${i}`, store, ttlMs }))
      for (const candidate of candidates) {
        candidate.on('trouble', () => {})
        await candidate.start()
      }
      return { proxy, candidates, both: 0 }
    }),
  )
  const sampler = setInterval(() => {
    for (const pair of pairs) if (pair.candidates.every(({ isLeader }) => isLeader)) pair.both += 1
  }, 1)
  for (const { proxy } of pairs) proxy.stall()
  await sleep(6 * ttlMs)
  const taken = pairs.filter(({ candidates }) => candidates[1]?.isLeader).length
  for (const { proxy } of pairs) proxy.resume()
  await sleep(ttlMs)
  clearInterval(sampler)
  console.log(`stall of six ttl: ${pairs.length} rounds, ${taken} taken over, overlap ${pairs.reduce((sum, { both }) => sum + both, 0)} ms`)
  for (const { proxy, candidates } of pairs) {
    await Promise.all(candidates.map((candidate) => candidate.stop()))
    await proxy.close()
  }
}

/** SIGSTOP for three ttl, SIGCONT: does whoever slept act as leader when a successor has begun? */
async function freezes({ port }: Server): Promise<void> {
  const ttlMs = 2000
  const ROUNDS = 5
  const one = async (index: number) => {
    const troupe = new Troupe(`http://127.0.0.1:${port}#freeze-${index}`, ttlMs)
    const tenures: { at: number; token: number }[] = []
    const actions: { at: number; token: number }[] = []
    troupe.onNews((_, { leads, acted, token = 0 }) => {
      if (leads !== undefined) tenures.push({ at: leads, token })
      if (acted !== undefined) actions.push({ at: acted, token })
    })
    try {
      const first = troupe.heard('leads')
      await Promise.all([troupe.start(), troupe.start()])
      let { child: leader } = await first
      for (const child of troupe.children) child.send('watch')
      for (let round = 0; round < ROUNDS; round++) {
        const sleeper = leader
        const next = troupe.heard('leads', (child) => child !== sleeper)
        sleeper.kill('SIGSTOP')
        const stoppedAt = now()
        leader = (await next).child
        await sleep(Math.max(0, stoppedAt + 3 * ttlMs - now()))
        sleeper.kill('SIGCONT')
        await sleep(500)
      }
    } finally {
      troupe.end()
    }
    const stale = actions.filter(({ at, token }) => tenures.some((other) => other.token > token && other.at < at)).length
    return { actions: actions.length, stale }
  }
  const all = await Promise.all([0, 1, 2, 3].map(one))
  const sum = (key: 'actions' | 'stale') => all.reduce((total, each) => total + each[key], 0)
  console.log(`SIGSTOP of three ttl: ${all.length * ROUNDS} rounds, ${sum('actions')} actions, ${sum('stale')} of them stale`)
}

/** Requests of an idle follower for each ttl, with the watch in place. The proportions are those of the defaults. */
async function followers({ port }: Server): Promise<void> {
  const ttlMs = 3000
  const endpoints = `http://127.0.0.1:${port}`
  const leader = new Candidate({ election: 'idle', store: etcd({ endpoints }), ttlMs })
  await leader.start()
  const stores = Array.from({ length: 20 }, () => etcd({ endpoints, silenceMs: 4 * ttlMs }))
  const candidates = stores.map((store) => new Candidate({ election: 'idle', store, ttlMs }))
  await Promise.all(candidates.map((candidate) => candidate.start()))
  await sleep(ttlMs)
  const before = stores.map(({ requests }) => requests)
  await sleep(12 * ttlMs)
  const each = stores.map(({ requests }, i) => (requests - (before[i] ?? 0)) / 12)
  const mean = each.reduce((sum, value) => sum + value, 0) / each.length
  console.log(
    `requests of a follower per ttl: mean ${mean.toFixed(2)}, ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}; aim 1.3, at most 1.6`,
  )
  await Promise.all([leader, ...candidates].map((candidate) => candidate.stop()))
}

/** `fetch`, with a list of what was asked. */
function noting(paths: string[]): NonNullable<EtcdOptions['fetch']> {
  return (url, request) => {
    paths.push(url)
    return fetch(url, request)
  }
}

/** Ten thousand elections in one process: what bids, renewals, looks and a handover of all cost, and what each takes of the heap. */
async function many({ port }: Server): Promise<void> {
  // Longer than it takes to get ten thousand keys in: nobody renews meanwhile.
  const ttlMs = 600_000
  const paths: string[] = []
  const store = etcd({
    endpoints: `http://127.0.0.1:${port}`,
    fetch: noting(paths),
  })
  const heap = () => {
    globalThis.gc?.()
    return process.memoryUsage().heapUsed
  }
  const before = heap()
  const bids = Array.from({ length: 10_000 }, (_, i) => bidFor(`many-${i}`, ttlMs))
  let from = now()
  await Promise.all(bids.map((bid) => store.acquire(bid, patient())))
  console.log(`10,000 elections: acquired in ${ms(now() - from)} with ${paths.length} requests`)
  const seconds: number[] = []
  for (let round = 0; round < 10; round++) {
    paths.length = 0
    from = now()
    const grants = await Promise.all(bids.map((bid) => store.renew(bid, patient())))
    seconds.push(now() - from)
    if (round === 0)
      console.log(`10,000 elections: one round renews ${grants.filter((granted) => granted > 0).length} with ${paths.length} requests`)
  }
  const each = (heap() - before) / bids.length
  console.log(`10,000 elections: a round takes ${spread(seconds)}; heap in the store ${(each / 1000).toFixed(2)} kB each`)
  from = now()
  await Promise.all(bids.map((bid) => store.release(bid, patient())))
  console.log(`10,000 elections: released in ${ms(now() - from)}`)
  const standing = heap()
  const candidates = Array.from({ length: 10_000 }, (_, i) => new Candidate({ election: `stand-${i}`, store, ttlMs: 60_000 }))
  from = now()
  await Promise.all(candidates.map((candidate) => candidate.start()))
  console.log(`10,000 candidates: all lead after ${ms(now() - from)}: ${candidates.filter(({ isLeader }) => isLeader).length}`)
  await sleep(3000)
  paths.length = 0
  await sleep(45_000)
  const asked = new Map<string, number>()
  for (const path of paths) asked.set(new URL(path).pathname, (asked.get(new URL(path).pathname) ?? 0) + 1)
  console.log(`10,000 candidates: in 45 s, renewing every 20: ${[...asked].map(([path, times]) => `${times} ${path}`).join(', ')}`)
  const held = (heap() - standing) / candidates.length
  console.log(
    `10,000 candidates: heap ${(held / 1000).toFixed(2)} kB each, ${candidates.filter(({ isLeader }) => isLeader).length} still lead`,
  )
  const others = etcd({ endpoints: `http://127.0.0.1:${port}`, fetch: noting(paths) })
  const heirs = Array.from({ length: 10_000 }, (_, i) => new Candidate({ election: `stand-${i}`, store: others, ttlMs: 60_000 }))
  from = now()
  await Promise.all(heirs.map((heir) => heir.start()))
  console.log(`10,000 followers: stand after ${ms(now() - from)}`)
  await sleep(3000)
  paths.length = 0
  await sleep(60_000)
  console.log(`10,000 followers: ${paths.filter((path) => path.endsWith('/txn') || path.endsWith('/range')).length} looks in a ttl of 60 s`)
  from = now()
  const led = Promise.all(heirs.map((heir) => new Promise((resolve) => heir.on('elected', resolve))))
  await Promise.all(candidates.map((candidate) => candidate.stop()))
  console.log(`10,000 followers: released in ${ms(now() - from)}`)
  await led
  console.log(`10,000 followers: all lead after ${ms(now() - from)}`)
  await Promise.all(heirs.map((heir) => heir.stop()))
}

/** Two hundred candidates see one release: those of one process, and as many processes as there are stores. */
async function crowd({ port }: Server): Promise<void> {
  for (const stores of [1, 20, 200]) await crowdOf(port, stores)
}

async function crowdOf(port: number, count: number): Promise<void> {
  const firsts: number[] = []
  const calls: number[] = []
  const requests: number[] = []
  const raw: number[] = []
  const endpoints = `http://127.0.0.1:${port}`
  for (let round = 0; round < 5; round++) {
    const election = `crowd-${count}-${round}`
    const leader = new Candidate({ election, store: etcd({ endpoints }), ttlMs: 60_000 })
    await leader.start()
    const stores = Array.from({ length: count }, () => counted(etcd({ endpoints })))
    const candidates = Array.from({ length: 200 }, (_, i) => {
      const candidate = new Candidate({ election, store: stores[i % count]?.store ?? etcd({ endpoints }), ttlMs: 60_000 })
      candidate.on('trouble', () => {})
      return candidate
    })
    await Promise.all(candidates.map((candidate) => candidate.start()))
    await sleep(3000)
    const sentAt = now()
    const body = JSON.stringify({ success: [{ request_put: { key: encode('raw'), value: encode('v') } }] })
    await (await fetch(`${endpoints}/v3/kv/txn`, { method: 'POST', body })).text()
    raw.push(now() - sentAt)
    for (const store of stores) store.reset()
    const acting = new Promise<number>((resolve) => {
      for (const candidate of candidates) candidate.on('elected', () => resolve(now()))
    })
    const from = now()
    const stopped = leader.stop()
    firsts.push((await acting) - from)
    await stopped
    await sleep(3000)
    calls.push(stores.reduce((sum, store) => sum + store.calls(), 0) / 200)
    requests.push(stores.reduce((sum, store) => sum + store.requests(), 0) / 200)
    if (candidates.filter(({ isLeader }) => isLeader).length !== 1) throw new Error('not one leader')
    await Promise.all(candidates.map((candidate) => candidate.stop()))
  }
  const list = (all: number[], digits: number) => all.map((value) => value.toFixed(digits)).join(', ')
  console.log(
    `200 candidates on ${count} stores: first acting after ${list(firsts, 0)} ms, aim 50; one raw write just before: ${list(raw, 0)} ms`,
  )
  console.log(`200 candidates on ${count} stores: calls each ${list(calls, 2)}, aim at most 3; requests each ${list(requests, 2)}`)
}

function counted(store: ReturnType<typeof etcd>) {
  let calls = 0
  let before = 0
  const counting: LeaseStore = {
    name: store.name,
    minTtlMs: store.minTtlMs,
    acquire: (bid, signal) => {
      calls += 1
      return store.acquire(bid, signal)
    },
    renew: (bid, signal) => store.renew(bid, signal),
    release: (hold, signal) => store.release(hold, signal),
    read: (election, signal) => store.read(election, signal),
    watch: (election, changed, signal) => store.watch?.(election, changed, signal) ?? Promise.resolve(),
  }
  return {
    store: counting,
    calls: () => calls,
    requests: () => store.requests - before,
    reset: () => {
      calls = 0
      before = store.requests
    },
  }
}

if (process.argv[2] === 'child') await stand(process.argv[3] ?? '', Number(process.argv[4]))
else {
  // The harness keeps no process alive.
  const awake = setInterval(() => {}, 60_000)
  const wanted = process.argv.slice(2)
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    // With fsync, as in life.
    const server = await startEtcd('--unsafe-no-fsync=false')
    try {
      await part(server)
    } finally {
      await server.close()
    }
  }
  clearInterval(awake)
}
