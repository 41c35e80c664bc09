/** Faults planted in the store, each caught by the law that names it: laws that catch nothing would be no laws. */

import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LawBroken, laws, openLab } from '../../../src/testing/index.ts'
import type { Change } from '../../harness/plant.ts'
import { startProxy } from '../../harness/proxy.ts'
import { type Server, until } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { connectionsAt, electionName, faulty, outcome, patient, wins } from './lab.ts'
import { wipe } from './law-lab.ts'

/** Half of it is what a fault that prolongs a lease adds, and what a sleep may overshoot by before that is missed. */
const TTL_MS = 3000

const scripts = 'src/stores/redis/scripts.ts'

const mutants: readonly (Change & { readonly law: string })[] = [
  {
    law: 'a previous holder cannot renew the lease of its successor',
    file: scripts,
    find: 'elseif c[1] ~= holder then',
    replace: 'elseif not c[1] then',
  },
  {
    law: 'a previous holder cannot release the lease of its successor',
    file: scripts,
    find: 'if c[1] == ARGV[1] then',
    replace: 'if c[1] then',
  },
  {
    law: 'an expired holder never comes back',
    file: scripts,
    find: "if k[1] == holder or k[3] == holder then return {'over'} end",
    replace: '',
  },
  {
    law: 'tokens grow across deletion of the record',
    file: scripts,
    find: 'now > last and now or last + 1',
    replace: 'last + 1',
  },
  {
    law: 'a released holder can neither renew nor come back',
    file: scripts,
    find: "redis.call('DEL', KEYS[1])\n  redis.pcall('PUBLISH'",
    replace: "redis.call('DEL', KEYS[1], KEYS[2])\n  redis.pcall('PUBLISH'",
  },
  {
    law: 'the same holder asking again gets the same lease, not a longer one',
    file: scripts,
    find: "if odd then redis.call('PEXPIRE', KEYS[1], most) end",
    replace: "redis.call('PEXPIRE', KEYS[1], most)",
  },
  {
    law: 'what a repeated bid is told is left, is left',
    file: scripts,
    find: "return {'lease', c[1], c[2], ms, c[3], c[4], math.floor((now - c[5]) / 1000)}",
    replace: "return {'lease', c[1], c[2], most, c[3], c[4], math.floor((now - c[5]) / 1000)}",
  },
  {
    law: 'a live lease is never given to another holder',
    file: scripts,
    find: 'if c[1] then\n  local most',
    replace: 'if c[1] and c[1] == holder then\n  local most',
  },
  {
    law: 'a renewed lease lives for what was granted, and not for longer',
    file: scripts,
    find: "if type(done) == 'number' then done = redis.pcall('PEXPIRE', KEYS[i], ttl) end",
    replace: '',
  },
  {
    law: 'candidate and advert survive the round trip',
    file: scripts,
    find: "if ARGV[6] then redis.call('HSET', KEYS[1], 'a', ARGV[6]) end",
    replace: '',
  },
  {
    law: 'only a live leader writes a memo',
    file: scripts,
    find: "if c[1] ~= ARGV[1] then return {'over'} end",
    replace: "if not c[1] then return {'over'} end",
  },
  {
    law: 'an expired leader writes no memo',
    file: scripts,
    find: "if c[1] ~= ARGV[1] then return {'over'} end",
    replace: "if c[1] and c[1] ~= ARGV[1] then return {'over'} end",
  },
  {
    law: 'a memo outlives the lease',
    file: scripts,
    find: "redis.call('SET', KEYS[2], ARGV[2])",
    replace: "redis.call('SET', KEYS[2], ARGV[2], 'PX', 400)",
  },
  {
    law: 'names that look alike are different elections',
    file: 'src/stores/redis/keys.ts',
    find: 'return name.replace(/[{}%]/g',
    replace: 'return name.toLowerCase().replace(/[{}%]/g',
  },
  {
    law: 'list names the elections that are held',
    file: 'src/stores/redis/list.ts',
    find: 'if (election !== undefined) names.add(election)',
    replace: 'if (election === undefined) names.add(key)',
  },
  {
    law: 'a watch says once that it is in place',
    file: 'src/stores/redis/news.ts',
    find: 'for (const election of [...this.#watchers.keys()]) this.#tell(election)\n',
    replace: '\n',
  },
  {
    law: 'an aborted call rejects',
    file: 'src/stores/redis/link.ts',
    find: '    signal.throwIfAborted()\n    const dial = this.#current()',
    replace: '    const dial = this.#current()\n    signal = new AbortController().signal',
  },
]

describe.skipIf(!findServer('redis'))('planted faults', () => {
  let server: Server
  beforeAll(async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  })
  afterAll(() => server?.close())

  // Together: each of them waits for its leases, mostly.
  test.concurrent.each(mutants)('$law', async ({ law: name, ...change }) => {
    const law = laws.find((each) => each.name === name)
    if (!law) throw new Error(`no law is called ${name}`)
    const open = await faulty(change)
    const operator = new Redis(server.port)
    const lab = await openLab({
      open: () => open(new Redis(server.port, { lazyConnect: true })),
      wipe: (election) => wipe(operator, election),
      boundMs: 5000,
      ttlMs: TTL_MS,
    })
    try {
      await expect(law.check(lab)).rejects.toBeInstanceOf(LawBroken)
    } finally {
      await lab.close()
      operator.disconnect()
    }
  })

  test('a connection that is kept although it does not answer', async () => {
    const patientLink = await faulty({
      file: 'src/stores/redis/link.ts',
      find: 'return dial.answers === before || (isOld',
      replace: 'return (isOld',
    })
    const proxy = await startProxy(server.port)
    const store = patientLink(new Redis(proxy.port, { lazyConnect: true }))
    const bid = await wins(store, electionName())
    proxy.halfOpen()
    for (let round = 0; round < 3; round++) {
      expect(await outcome(store.renew(bid, AbortSignal.timeout(300)))).toBeInstanceOf(Error)
    }
    await store.close?.()
    await proxy.close()
  })

  test('a connection that stays when nothing stands', async () => {
    const lingering = await faulty({
      file: 'src/stores/redis/standing.ts',
      find: 'if (this.#holds.size === 0) this.#idle()\n',
      replace: 'if (false) {}\n',
    })
    const store = lingering(new Redis(server.port, { lazyConnect: true }))
    await store.release(await wins(store, electionName()), patient())
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await connectionsAt(server.port)).toBe(1)
    await store.close?.()
    await until('it is gone', async () => (await connectionsAt(server.port)) === 0)
  })
})
