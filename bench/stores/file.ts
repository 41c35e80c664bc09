/**
 * What the file store costs: from the end of one leader to the next, a frozen one, a bid against what a disk needs for
 * one, and what followers ask. Processes are real. Run by `npm run figures -- file [part...]`; nothing is asserted.
 */

import { link, mkdtemp, open as openFile, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Candidate, type LeaseStore } from '../../src/index.ts'
import { file } from '../../src/stores/file.ts'
import { crashes, crowd, freezes, handovers, mean, ratioOf, sleep, spread, stand, Troupe } from './shared.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 200)
const TTL = 2000
const program = fileURLToPath(import.meta.url)
const open = (dir: string) => file({ dir })
const troupe = (dir: string, election: string, ttlMs: number) => new Troupe(program, dir, election, String(ttlMs))

const parts: Record<string, (dir: string) => Promise<void>> = {
  bids,
  handovers: (dir) => handovers(troupe(dir, 'handover', 15_000), 'p50 10, p99 50', ROUNDS),
  // A death is felt, whatever the ttl.
  crashes: (dir) => crashes(troupe(dir, 'crash', 15_000), 15_000, 'p50 10, p99 50', ROUNDS, 300),
  freezes: (dir) => freezes((i) => troupe(dir, `freeze-${i}`, TTL), TTL, Math.ceil(ROUNDS / 4)),
  followers,
  crowd: (dir) => crowd(() => open(dir)),
}

/** A bid against one raw write, fsync and link of as many bytes. */
async function bids(dir: string): Promise<void> {
  const raw = async (i: number) => {
    const path = join(dir, `raw-${i}`)
    const handle = await openFile(path, 'wx')
    await handle.writeFile('x'.repeat(500))
    await handle.datasync()
    await handle.close()
    await link(path, `${path}.linked`)
    await unlink(path)
  }
  await ratioOf('bids', raw, open(dir), 'none: a bid also opens a socket and looks again')
}

/** What one follower asks in one ttl, while its leader renews. */
async function followers(dir: string): Promise<void> {
  const ttlMs = 3000
  const leader = new Candidate({ election: 'idle', store: open(dir), ttlMs })
  await leader.start()
  let calls = 0
  const counted = (store: LeaseStore): LeaseStore => ({
    ...store,
    acquire(bid, signal) {
      calls += 1
      return store.acquire(bid, signal)
    },
  })
  const candidates = Array.from({ length: 20 }, () => new Candidate({ election: 'idle', ttlMs, store: counted(open(dir)) }))
  await Promise.all(candidates.map((candidate) => candidate.start()))
  await sleep(ttlMs)
  const each: number[] = []
  for (let round = 0; round < 6; round++) {
    calls = 0
    await sleep(4 * ttlMs)
    each.push(calls / candidates.length / 4)
  }
  console.log(`calls of a follower per ttl: mean ${mean(each).toFixed(2)}, ${spread(each).replaceAll(' ms', '')}`)
  await Promise.all([leader, ...candidates].map((candidate) => candidate.stop()))
}

if (process.argv[2] === 'child') await stand(open(process.argv[3] ?? ''), process.argv[4] ?? '', Number(process.argv[5]))
else {
  const wanted = process.argv.slice(2)
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const dir = await mkdtemp(join(process.env['BENCH_DIR'] ?? tmpdir(), 'tenure-figures-'))
    try {
      await part(dir)
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
}
