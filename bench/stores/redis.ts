/**
 * What the Redis store costs, on a real server that syncs every write. Run by
 * `node scripts/bundled.mjs bench/stores/redis.ts [part...]`; nothing is asserted.
 */

import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { Candidate } from '../../src/index.ts'
import { redis } from '../../src/stores/redis.ts'
import { startProxy } from '../../test/harness/proxy.ts'
import { type Server, startRedis } from '../../test/harness/servers.ts'
import { crashes, crowd, freezes, handovers, mean, ratioOf, sleep, stalls, stand, Troupe, tenThousand } from './shared.ts'

const TTL = 2000
const program = fileURLToPath(import.meta.url)
const open = (port: number) => redis(new Redis(port, { lazyConnect: true }))
const troupe = (port: number, election: string, ttlMs: number) => new Troupe(program, String(port), election, String(ttlMs))

const parts: Record<string, (server: Server) => Promise<void>> = {
  bids,
  handovers: ({ port }) => handovers(troupe(port, 'handover', 15_000), 'p50 3, p99 15'),
  crashes: ({ port }) => crashes(troupe(port, 'crash', TTL), TTL, `mean ${TTL - TTL / 6}, at most ${TTL * 1.05 + 50}`),
  stalls: ({ port }) => stalls(() => pairAt(port), TTL),
  freezes: ({ port }) => freezes((i) => troupe(port, `freeze-${i}`, TTL), TTL),
  followers,
  many,
  crowd: ({ port }) => crowd(() => open(port)),
}

/** A lease is two keys and an expiry, under a condition: so is what it is compared with. */
const RAW = `if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[2], 't', ARGV[1], 'h', ARGV[2])
redis.call('HSET', KEYS[1], 'h', ARGV[2], 't', ARGV[1], 'c', 'c')
redis.call('PEXPIRE', KEYS[1], 60000) return 1`

async function bids({ port }: Server): Promise<void> {
  const client = new Redis(port)
  const sha = String(await client.script('LOAD', RAW))
  const keys = (i: number) => [`{raw-${i}}:a`, `{raw-${i}}:b`]
  // With the one that is compared with watched or not, the store keeps its connection.
  const ours = open(port)
  ours.watch?.('kept', () => {}, new AbortController().signal).catch(() => {})
  await ratioOf('bids, ioredis', (i) => client.evalsha(sha, 2, ...keys(i), String(i), `h${i}`), ours, 'at most 1.3')
  await ours.close?.()
  client.disconnect()

  const other = await createClient({ socket: { port } }).connect()
  const theirs = redis(other)
  theirs.watch?.('kept', () => {}, new AbortController().signal).catch(() => {})
  const raw = (i: number) => other.sendCommand(['EVALSHA', sha, '2', ...keys(i + 1e6), String(i), `h${i}`])
  await ratioOf('bids, node-redis', raw, theirs, 'at most 1.3')
  await theirs.close?.()
  other.destroy()
}

async function pairAt(port: number) {
  const proxy = await startProxy(port)
  const [stalled, well] = [open(proxy.port), open(port)]
  return { stalled, well, stall: () => proxy.stall(), resume: () => proxy.resume(), close: () => proxy.close() }
}

/** Scripts that an idle follower asks for in each ttl, as the server counts them; the leader's are taken away. */
async function followers({ port }: Server): Promise<void> {
  const ttlMs = 3000
  const leader = new Candidate({ election: 'idle', store: open(port), ttlMs })
  await leader.start()
  let renewals = 0
  leader.on('renewed', () => void renewals++)
  const candidates = Array.from({ length: 20 }, () => new Candidate({ election: 'idle', store: open(port), ttlMs }))
  await Promise.all(candidates.map((candidate) => candidate.start()))
  await sleep(ttlMs)
  const each: number[] = []
  for (let round = 0; round < 6; round++) {
    const operator = new Redis(port)
    await operator.config('RESETSTAT')
    renewals = 0
    await sleep(4 * ttlMs)
    each.push((scripts(await operator.info('commandstats')) - renewals) / candidates.length / 4)
    operator.disconnect()
  }
  console.log(
    `calls of a follower per ttl: mean ${mean(each).toFixed(2)}, ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}; aim 1.3, at most 1.6`,
  )
  await Promise.all([leader, ...candidates].map((candidate) => candidate.stop()))
}

async function many({ port }: Server): Promise<void> {
  const operator = new Redis(port)
  // Everything is remembered, with its microseconds.
  await operator.config('SET', 'slowlog-log-slower-than', '0')
  await operator.config('SET', 'slowlog-max-len', '200000')
  const statements = async () => {
    const log = (await operator.slowlog('GET', 200_000)) as [number, number, number, string[]][]
    const times = log.filter(([, , , [command]]) => /^evalsha$/i.test(command ?? '')).map(([, , micros]) => micros / 1000)
    await operator.slowlog('RESET')
    await operator.config('RESETSTAT')
    return `${times.length} scripts, the longest ${times.length > 0 ? Math.max(...times).toFixed(2) : 0} ms, mean ${mean(times).toFixed(2)} ms`
  }
  await tenThousand(open(port), statements)
  operator.disconnect()
}

function scripts(stats: string): number {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}

if (process.argv[2] === 'child') await stand(open(Number(process.argv[3])), process.argv[4] ?? '', Number(process.argv[5]))
else {
  // The harness keeps no process alive.
  const awake = setInterval(() => {}, 60_000)
  const wanted = process.argv.slice(2)
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
    try {
      await part(server)
    } finally {
      await server.close()
    }
  }
  clearInterval(awake)
}
