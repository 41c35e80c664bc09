/**
 * What the file store costs: from kill -9 to the next leader, a handover, a bid against what a disk needs for one, and
 * what followers ask. Processes are real. Run by `npm run figures -- file`; nothing is asserted.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { link, mkdtemp, open, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Candidate, type LeaseStore } from '../src/index.ts'
import { file } from '../src/stores/file.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 200)
const FOLLOWERS = 3
const patient = new AbortController().signal
const now = () => Number(process.hrtime.bigint()) / 1e6

if (process.argv[2] === 'child') await stand(process.argv[3] ?? '')
else await figures()

async function figures(): Promise<void> {
  const dir = await mkdtemp(join(process.env['BENCH_DIR'] ?? tmpdir(), 'tenure-figures-'))
  try {
    await bids(dir)
    await handovers(dir, 'crash')
    await handovers(dir, 'stop')
    await questions(dir)
    await crowd(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** A process that stands, tells when it leads, and stops and stands again when told. */
async function stand(dir: string): Promise<void> {
  const candidate = new Candidate({ election: 'e', store: file({ dir }) })
  candidate.on('elected', () => process.send?.({ leads: now() }))
  process.on('disconnect', () => process.exit())
  process.on('message', async () => {
    await candidate.stop()
    process.send?.({ stopped: now() })
    await candidate.start()
    process.send?.({ stands: now() })
  })
  await candidate.start()
  process.send?.({ stands: now() })
}

type News = { leads?: number; stopped?: number; stands?: number }

/** From the end of one leader to the first instant of the next, in milliseconds. */
async function handovers(dir: string, how: 'crash' | 'stop'): Promise<void> {
  const listeners = new Set<(child: ChildProcess, news: News) => void>()
  const heard = (key: keyof News, of?: ChildProcess) =>
    new Promise<{ child: ChildProcess; at: number }>((resolve) => {
      const listener = (child: ChildProcess, news: News) => {
        const at = news[key]
        if (at === undefined || (of && of !== child)) return
        listeners.delete(listener)
        resolve({ child, at })
      }
      listeners.add(listener)
    })
  const children = new Set<ChildProcess>()
  const start = () => {
    const child = fork(fileURLToPath(import.meta.url), ['child', dir])
    children.add(child)
    child.on('message', (news: News) => {
      for (const listener of [...listeners]) listener(child, news)
    })
    return heard('stands', child)
  }
  const first = heard('leads')
  await start()
  let { child: leader } = await first
  for (let i = 0; i < FOLLOWERS; i++) await start()
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // Until the followers are connected and asleep.
    await new Promise((resolve) => setTimeout(resolve, 60))
    const next = heard('leads')
    const again = how === 'stop' ? heard('stands', leader) : undefined
    const from = now()
    if (how === 'crash') {
      leader.kill('SIGKILL')
      children.delete(leader)
    } else leader.send('stop')
    const { child, at } = await next
    times.push(at - from)
    leader = child
    await (again ?? start())
  }
  report(how === 'crash' ? 'kill -9 to the next leader' : 'stop() to the next leader', times)
  for (const child of children) child.kill('SIGKILL')
}

/** A bid, a renewal and a release, against one write, fsync and link. */
async function bids(dir: string): Promise<void> {
  const store = file({ dir })
  const bid = (i: number) => ({ election: 'bids', holder: `h${i}`, candidate: 'c', ttlMs: 15_000 })
  const [acquires, renewals, reads, releases, raw]: [number[], number[], number[], number[], number[]] = [[], [], [], [], []]
  for (let i = 0; i < 500; i++) {
    acquires.push(await timed(() => store.acquire(bid(i), patient)))
    renewals.push(await timed(() => store.renew(bid(i), patient)))
    reads.push(await timed(() => store.read('bids', patient)))
    releases.push(await timed(() => store.release(bid(i), patient)))
    const path = join(dir, `raw-${i}`)
    raw.push(await timed(() => writeRaw(path)))
    await unlink(`${path}.linked`)
  }
  report('one raw write, fsync and link', raw)
  report('acquire', acquires)
  report('renew', renewals)
  report('read', reads)
  report('release', releases)
}

async function writeRaw(path: string): Promise<void> {
  const handle = await open(path, 'wx')
  await handle.writeFile('x'.repeat(500))
  await handle.datasync()
  await handle.close()
  await link(path, `${path}.linked`)
  await unlink(path)
}

async function timed(call: () => Promise<unknown>): Promise<number> {
  const from = now()
  await call()
  return now() - from
}

/** What one follower asks in one ttl, while its leader renews. */
async function questions(dir: string): Promise<void> {
  const ttlMs = 3000
  const leader = new Candidate({ election: 'questions', store: file({ dir }), ttlMs })
  await leader.start()
  const followers = Array.from({ length: 20 }, () => {
    const store = file({ dir })
    const counted = { ...store, calls: 0 }
    const count = <Args extends readonly unknown[], Answer>(call: (...args: Args) => Answer) => {
      return (...args: Args) => {
        counted.calls += 1
        return call(...args)
      }
    }
    const candidate = new Candidate({
      election: 'questions',
      ttlMs,
      store: { ...store, acquire: count(store.acquire), read: count(store.read) },
    })
    return { candidate, counted }
  })
  for (const { candidate } of followers) await candidate.start()
  await new Promise((resolve) => setTimeout(resolve, 500))
  for (const { counted } of followers) counted.calls = 0
  await new Promise((resolve) => setTimeout(resolve, 4 * ttlMs))
  const perTtl = followers.map(({ counted }) => counted.calls / 4)
  report('calls of a follower in a ttl', perTtl, '')
  for (const { candidate } of followers) await candidate.stop()
  await leader.stop()
}

/** Two hundred followers of one process hear of a release: what they ask, and how long it takes. */
async function crowd(dir: string): Promise<void> {
  const calls: number[] = []
  let elected = () => {}
  const make = (i: number) => {
    calls[i] = 0
    const store: LeaseStore = file({ dir })
    const acquire: LeaseStore['acquire'] = (bid, signal) => {
      calls[i] = (calls[i] ?? 0) + 1
      return store.acquire(bid, signal)
    }
    const candidate = new Candidate({ election: 'crowd', store: { ...store, acquire } })
    candidate.on('elected', () => elected())
    return candidate
  }
  const all = Array.from({ length: 200 }, (_, i) => make(i))
  for (const candidate of all) await candidate.start()
  const times: number[] = []
  const asked: number[] = []
  for (let round = 0; round < 10; round++) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    calls.fill(0)
    const leader = all.find((candidate) => candidate.isLeader)
    if (!leader) throw new Error('nobody leads')
    const next = new Promise<void>((resolve) => {
      elected = resolve
    })
    const from = now()
    const down = leader.stepDown({ cooldownMs: 0 })
    await next
    times.push(now() - from)
    await down
    await new Promise((resolve) => setTimeout(resolve, 1000))
    asked.push(...calls)
  }
  report('handover among 200 candidates of one process', times)
  report('bids of each of 200 at a release', asked, '')
  await Promise.all(all.map((candidate) => candidate.stop()))
}

function report(what: string, samples: readonly number[], unit = ' ms'): void {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(2)
  console.log(`${what}: p50 ${at(0.5)}${unit}, p90 ${at(0.9)}${unit}, p99 ${at(0.99)}${unit}, worst ${at(1)}${unit} (${sorted.length})`)
}
