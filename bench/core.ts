/**
 * What the core costs: a question to `isLeader`, and candidates by the thousand in one process, following and leading,
 * on the memory store. Run by `npm run figures -- core`; nothing is asserted.
 */

import { Candidate, type LeaseStore } from '../src/index.ts'
import { memory } from '../src/stores/memory.ts'

const gc = globalThis.gc
if (!gc) throw new Error('run with --expose-gc')

await questions()
for (const count of [1, 100, 10_000]) {
  await crowd(count, 'leading')
  await crowd(count, 'following')
}

/** How long one question takes, as the best and the median of many rounds. */
async function questions(): Promise<void> {
  const candidate = new Candidate({ election: 'e', store: memory() })
  await candidate.start()
  const rounds: number[] = []
  let yes = 0
  for (let round = 0; round < 50; round++) {
    const from = performance.now()
    for (let i = 0; i < 100_000; i++) if (candidate.isLeader) yes++
    rounds.push(((performance.now() - from) / 100_000) * 1e6)
  }
  rounds.sort((a, b) => a - b)
  await candidate.stop()
  if (yes !== 5_000_000) throw new Error('it did not lead all the time')
  console.log(`isLeader: median ${rounds[25]?.toFixed(0)} ns, best ${rounds[0]?.toFixed(0)} ns, worst ${rounds[49]?.toFixed(0)} ns`)
}

async function crowd(count: number, role: 'leading' | 'following'): Promise<void> {
  const calls = { acquire: 0, renew: 0, read: 0, release: 0 }
  const leaders = memory()
  const store = counted(leaders, calls)
  const names = Array.from({ length: count }, (_, i) => `election-${i}`)
  const holders = role === 'following' ? names.map((election) => new Candidate({ election, store: leaders })) : []
  await Promise.all(holders.map((holder) => holder.start()))
  await settled()
  const before = process.memoryUsage().heapUsed
  const all = names.map((election) => new Candidate({ election, store }))
  await Promise.all(all.map((candidate) => candidate.start()))
  await settled()
  const heap = (process.memoryUsage().heapUsed - before) / count
  for (const verb of ['acquire', 'renew', 'read', 'release'] as const) calls[verb] = 0
  const cpu = process.cpuUsage()
  const seconds = 20
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const used = process.cpuUsage(cpu)
  const share = ((used.user + used.system) / 1e6 / seconds) * 100
  const perMinute = (60 / seconds / count) * (calls.acquire + calls.renew + calls.read)
  const held = all.filter((candidate) => candidate.isLeader).length
  console.log(
    `${String(count).padStart(6)} ${role.padEnd(9)} (${held} lead): heap ${(heap / 1024).toFixed(1)} kB each, ` +
      `store calls ${perMinute.toFixed(1)} per minute each, CPU ${share.toFixed(2)} % of a core${role === 'following' ? ', their leaders included' : ''}`,
  )
  await Promise.all([...all, ...holders].map((candidate) => candidate.stop()))
}

async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    gc?.()
  }
}

function counted(store: LeaseStore, calls: Record<'acquire' | 'renew' | 'read' | 'release', number>): LeaseStore {
  return {
    ...store,
    acquire(bid, signal) {
      calls.acquire++
      return store.acquire(bid, signal)
    },
    renew(bid, signal) {
      calls.renew++
      return store.renew(bid, signal)
    },
    read(election, signal) {
      calls.read++
      return store.read(election, signal)
    },
  }
}
