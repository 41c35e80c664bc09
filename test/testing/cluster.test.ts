import { describe, expect, test } from 'vitest'
import type { Tenure } from '../../src/index.ts'
import { Cluster } from '../../src/testing/index.ts'
import { observedStore, type Versions } from './observed-store.ts'

const ttlMs = 10_000
const patience = () => new AbortController().signal

describe('a cluster', () => {
  test.each([1, 3, 200])('of %i elects one leader, and none once it has stopped', async (candidates) => {
    const cluster = new Cluster({ candidates })
    await cluster.start()
    cluster.assertOneLeader()
    await cluster.advance(60_000)
    cluster.assertOneLeader()
    expect(cluster.tenures).toHaveLength(1)
    await cluster.stop()
    expect(cluster.leaders()).toEqual([])
    expect(cluster.clock.pending).toBe(0)
  })

  test('the same seed runs the same', async () => {
    const run = async (seed: number) => {
      await using cluster = new Cluster({ seed, delayMs: 40 })
      await cluster.start()
      for (let round = 0; round < 5; round++) {
        await cluster.restart(cluster.leader())
        await cluster.until(() => cluster.leader() !== undefined)
      }
      cluster.assertOneLeader()
      return JSON.stringify(cluster.tenures)
    }
    expect(await run(5)).toBe(await run(5))
    expect(await run(5)).not.toBe(await run(6))
  })

  test('a crash releases nothing: the next leads when the lease has run out', async () => {
    await using cluster = new Cluster({ ttlMs })
    await cluster.start()
    const first = cluster.leader()
    cluster.crash(first)
    expect(cluster.leaders()).toEqual([])
    expect(await cluster.store.read(cluster.election, patience())).toMatchObject({ candidate: `candidate-${first}` })
    const crashedAt = cluster.clock.mono()
    await cluster.until(() => cluster.leader() !== undefined)
    expect(cluster.leader()).not.toBe(first)
    expect(cluster.clock.mono() - crashedAt).toBeGreaterThan(ttlMs / 2)
    expect(cluster.clock.mono() - crashedAt).toBeLessThanOrEqual(ttlMs + 100)
    cluster.assertOneLeader()
    expect(cluster.tenures.map(({ why }) => why)).toEqual([undefined, undefined])
  })

  test('a process that crashed asks the store for nothing, and keeps nothing', async () => {
    const cluster = new Cluster({ candidates: 2, ttlMs })
    await cluster.start()
    const first = cluster.leader()
    cluster.crash(0)
    cluster.crash(1)
    expect(cluster.clock.pending).toBe(0)
    void cluster.candidate(first).stop()
    await cluster.clock.settle()
    expect(await cluster.store.read(cluster.election, patience())).toMatchObject({ candidate: `candidate-${first}` })
    await cluster.stop()
    expect(cluster.clock.pending).toBe(0)
  })

  test('a process that is restarted is elected anew, under its old name', async () => {
    await using cluster = new Cluster({ candidates: 1, ttlMs })
    await cluster.start()
    const before = cluster.candidate(0)
    await cluster.restart(0)
    expect(cluster.candidate(0)).not.toBe(before)
    expect(cluster.candidate(0).id).toBe(before.id)
    expect(cluster.leader()).toBeUndefined()
    await cluster.advance(ttlMs + 100)
    cluster.assertOneLeader()
    const [old, now] = cluster.tenures
    expect(now?.fencingToken).toBeGreaterThan(old?.fencingToken ?? Number.POSITIVE_INFINITY)
  })

  test.each([
    ['both', 'store-unreachable'],
    ['requests', 'store-unreachable'],
    ['answers', 'store-unreachable'],
  ] as const)(
    'a leader that is cut off (%s) stops believing before another leads, and follows when the cut has healed',
    async (what, code) => {
      await using cluster = new Cluster({ ttlMs })
      await cluster.start()
      const first = cluster.leader()
      await cluster.advance(1000)
      cluster.partition(first, what)
      await cluster.until(() => cluster.leaders().length === 1 && cluster.leader() !== first)
      expect(cluster.tenures[0]).toMatchObject({ index: first, why: 'expired' })
      expect(cluster.tenures[1]?.electedAt).toBeGreaterThanOrEqual(cluster.tenures[0]?.deposedAt ?? Number.POSITIVE_INFINITY)
      cluster.assertNeverTwo()
      expect(cluster.troubles.map(({ index, error }) => [index, error.code])).toContainEqual([first, code])
      cluster.heal(first)
      await cluster.advance(3 * ttlMs)
      cluster.assertOneLeader()
      expect(cluster.tenures).toHaveLength(2)
      expect(cluster.candidate(first).leader?.isMe).toBe(false)
    },
  )

  test.each(['renew', 'release'] as const)('a %s that lands when another leads touches nothing', async (verb) => {
    await using cluster = new Cluster({ candidates: 2, ttlMs })
    await cluster.start()
    const first = cluster.leader()
    const link = cluster.link(first)
    const before = link.counts[verb]
    link.stall()
    if (verb === 'release') void cluster.candidate(first).stop()
    await cluster.until(() => link.counts[verb] > before)
    await cluster.until(() => cluster.leaders().length === 1 && cluster.leader() !== first)
    const lease = await cluster.store.read(cluster.election, patience())
    cluster.heal(first)
    await cluster.clock.settle()
    expect(await cluster.store.read(cluster.election, patience())).toEqual(lease)
    await cluster.advance(3 * ttlMs)
    cluster.assertOneLeader()
    expect(cluster.tenures).toHaveLength(2)
  })

  test('runs on another store, too', async () => {
    const versions: Versions = new Map()
    await using cluster = new Cluster({ ttlMs, store: (clock) => observedStore(versions, clock) })
    await cluster.start()
    cluster.crash(cluster.leader())
    await cluster.until(() => cluster.leader() !== undefined)
    cluster.assertOneLeader()
    expect(versions.get('cluster')?.fencingToken).toBe(2)
  })

  test('a wall clock that jumps an hour makes no second leader, and starves nobody', async () => {
    await using cluster = new Cluster({ ttlMs })
    await cluster.start()
    for (const step of [3_600_000, -3_600_000]) {
      cluster.stepWall(cluster.leader(), step)
      await cluster.advance(2 * ttlMs)
      cluster.assertOneLeader()
    }
  })

  test('a process that does not exist is refused', async () => {
    const cluster = new Cluster()
    expect(() => cluster.crash(cluster.leader())).toThrow('Expected `index` to be a process from 0 to 2, got undefined')
    expect(() => cluster.link(3)).toThrow('Expected `index` to be a process from 0 to 2, got 3 (number)')
    expect(() => new Cluster({ candidates: 0 })).toThrow('Expected `candidates` to be a whole number, at least 1, got 0 (number)')
  })

  test('`until` says what it waited in vain with', async () => {
    await using cluster = new Cluster({ candidates: 2, ttlMs })
    await cluster.start()
    cluster.freeze(1)
    await expect(cluster.until(() => false, 100)).rejects.toThrow(
      /^Expected it to be so within 100 ms, got: candidate-0 leads with token \d+, candidate-1 is frozen at \d+ ms$/,
    )
  })
})

describe('a frozen process', () => {
  test('longer than the ttl: another leads, and its own first look says that it does not', async () => {
    const writes: number[] = []
    await using cluster = new Cluster({ ttlMs, work: (tenure) => writer(tenure, writes) })
    await cluster.start()
    const first = cluster.leader()
    await cluster.advance(2000)
    cluster.freeze(first)
    expect(cluster.leaders()).toEqual([])
    await cluster.advance(3 * ttlMs)
    const second = cluster.leader()
    expect(second).not.toBe(first)
    const before = writes.length
    await cluster.thaw(first)
    expect(cluster.candidate(first).isLeader).toBe(false)
    expect(writes).toHaveLength(before)
    expect(cluster.tenures[0]).toMatchObject({ index: first, why: 'expired' })
    await cluster.advance(3 * ttlMs)
    cluster.assertOneLeader()
    expect(cluster.leader()).toBe(second)
    expect(writes).toEqual([...writes].sort((a, b) => a - b))
  })

  test('shorter than what is left of the lease: nothing happened', async () => {
    await using cluster = new Cluster({ ttlMs })
    await cluster.start()
    const first = cluster.leader()
    cluster.freeze(first)
    await cluster.advance(ttlMs / 2)
    await cluster.thaw(first)
    expect(cluster.leaders()).toEqual([first])
    await cluster.advance(3 * ttlMs)
    expect(cluster.tenures).toHaveLength(1)
  })

  test('runs no code at all: no timer, no answer, no nudge, no work', async () => {
    let steps = 0
    const work = async (tenure: Tenure) => {
      while (await tenure.sleep(100)) steps += 1
    }
    await using cluster = new Cluster({ candidates: 2, ttlMs, delayMs: 50, work })
    await cluster.start()
    await cluster.until(() => cluster.leader() !== undefined)
    await cluster.advance(1000)
    cluster.freeze(0)
    cluster.freeze(1)
    const before = [steps, cluster.link(0).counts, cluster.link(1).counts].map((value) => JSON.stringify(value))
    await cluster.advance(ttlMs)
    const after = [steps, cluster.link(0).counts, cluster.link(1).counts].map((value) => JSON.stringify(value))
    expect(after).toEqual(before)
  })

  test('hears the answer that arrived meanwhile before it calls the call lost', async () => {
    await using cluster = new Cluster({ candidates: 1, ttlMs })
    await cluster.start()
    const { counts } = cluster.link(0)
    const before = counts.renew
    cluster.link(0).stall()
    await cluster.until(() => counts.renew > before)
    cluster.freeze(0)
    cluster.heal(0)
    // Longer than a renewal may take, shorter than the lease.
    await cluster.advance(4000)
    await cluster.thaw(0)
    await cluster.advance(100)
    expect(cluster.troubles).toEqual([])
    cluster.assertOneLeader()
  })

  test('that is thawed sends again what it was cut off from', async () => {
    await using cluster = new Cluster({ candidates: 2, ttlMs })
    await cluster.start()
    const first = cluster.leader()
    cluster.freeze(first)
    cluster.partition(first)
    await cluster.advance(ttlMs / 2)
    cluster.heal(first)
    await cluster.thaw(first)
    await cluster.advance(2 * ttlMs)
    cluster.assertOneLeader()
    expect(cluster.leader()).toBe(first)
  })

  test('that is stopped with the others leaves nothing behind', async () => {
    const cluster = new Cluster({ ttlMs })
    await cluster.start()
    cluster.freeze(0)
    cluster.partition(1)
    cluster.crash(2)
    await cluster.advance(1000)
    await cluster.stop()
    expect(cluster.clock.pending).toBe(0)
    cluster.assertNeverTwo()
  })

  async function writer(tenure: Tenure, writes: number[]): Promise<void> {
    while (await tenure.sleep(500)) writes.push(tenure.fencingToken)
  }
})

describe('a cluster catches', () => {
  test('two leaders', async () => {
    const cluster = new Cluster({ ttlMs, candidates: 2 })
    await cluster.start()
    // A link that grants by itself: its candidate believes, and the store does not know.
    cluster.link(cluster.leader()).renew = async () => ttlMs
    await cluster.advance(2 * ttlMs)
    expect(() => cluster.assertNeverTwo()).toThrow(
      /^Expected at most one leader, got 2 when candidate-\d was elected: candidate-0 leads with token \d+, candidate-1 leads with token \d+ at \d+ ms$/,
    )
    expect(() => cluster.assertOneLeader()).toThrow('Expected at most one leader, got 2')
  })

  test('two leaders, one of which was frozen', async () => {
    const cluster = new Cluster({ ttlMs, candidates: 2 })
    await cluster.start()
    const first = cluster.leader()
    await cluster.advance(1000)
    // The lease is given away while it lives.
    cluster.freeze(first)
    const lease = await cluster.store.read(cluster.election, patience())
    await cluster.store.release({ election: cluster.election, holder: lease?.holder ?? '' }, patience())
    await cluster.advance(10)
    expect(cluster.leaders()).toHaveLength(1)
    await cluster.thaw(first)
    expect(() => cluster.assertNeverTwo()).toThrow(/^Expected at most one leader, got 2 when candidate-\d was thawed/)
  })

  test('a token that does not grow', async () => {
    const cluster = new Cluster({ ttlMs, candidates: 1 })
    const { acquire } = cluster.store
    Object.assign(cluster.store, {
      acquire: async (...args: Parameters<typeof acquire>) => ({ ...(await acquire(...args)), fencingToken: 7 }),
    })
    await cluster.start()
    await cluster.restart(0)
    await cluster.advance(ttlMs + 100)
    expect(() => cluster.assertOneLeader()).toThrow('Expected a fencing token larger than 7, got 7 for candidate-0')
  })

  test('that nobody leads', async () => {
    const cluster = new Cluster({ ttlMs, candidates: 1 })
    expect(() => cluster.assertOneLeader()).toThrow('Expected one leader, got 0: candidate-0 follows at 1000 ms')
  })
})
