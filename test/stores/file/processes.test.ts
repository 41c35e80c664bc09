/** Candidates in processes of their own: killed, frozen, guarded, and left alone. */

import { mkdtemp, readFile, rm, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { now } from './actor.ts'
import { Actor, actorScript, endActors } from './actors.ts'
import { Bench, isFree, isOurs, patient, until } from './bench.ts'
import * as subject from './subject.ts'

let dir = ''
let bench: Bench
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenure-processes-'))
  bench = new Bench(subject, dir)
})
afterEach(async () => {
  await endActors()
  await bench.close()
  await rm(dir, { recursive: true, force: true })
})

/** Long enough that nothing here can be the work of expiry. */
const LONG_MS = 120_000

async function leaderAndFollowers(followers: number, ttlMs = LONG_MS): Promise<[Actor, ...Actor[]]> {
  const leader = await Actor.start(dir)
  await leader.call('stand', { election: 'e', ttlMs })
  await leader.heard('elected')
  const others = await Actor.many(followers, dir)
  for (const other of others) await other.call('stand', { election: 'e', ttlMs })
  return [leader, ...others]
}

const nextLeader = (others: readonly Actor[]) => Promise.race(others.map(async (other) => ({ other, news: await other.heard('elected') })))

describe('candidates in processes', () => {
  test('kill -9 of the leader is felt at once, however long the ttl', async () => {
    const [leader, ...others] = await leaderAndFollowers(3)
    const first = await leader.heard('elected')
    // Connected, and nothing to do.
    await connected(others.length)
    const killedAt = now()
    leader.kill()
    const { other, news } = await nextLeader(others)
    expect(news.at - killedAt).toBeLessThan(LONG_MS / 10)
    expect(news.fencingToken).toBeGreaterThan(first.fencingToken ?? Number.NaN)
    const leading = await Promise.all(others.map((actor) => actor.call('isLeader')))
    expect(leading.filter(Boolean)).toHaveLength(1)
    expect(await other.call('isLeader')).toBe(true)
  })

  test('a leader that stops hands over at once', async () => {
    const [leader, ...others] = await leaderAndFollowers(2)
    await leader.call('stop')
    const stoppedAt = now()
    const { news } = await nextLeader(others)
    expect(news.at - stoppedAt).toBeLessThan(LONG_MS / 10)
  })

  test('a frozen leader is not felt: it leads on until its ttl, and not on waking', async () => {
    const ttlMs = 3000
    const [leader, follower] = await leaderAndFollowers(1, ttlMs)
    if (!follower) throw new Error('no follower')
    await connected(1)
    const renewedAt = await renewal()
    leader.freeze()
    const news = await follower.heard('elected')
    expect(news.at - renewedAt).toBeGreaterThan(ttlMs * 0.9)
    leader.thaw()
    expect(await leader.call('isLeader')).toBe(false)
    expect(await follower.call('isLeader')).toBe(true)
  })

  test('a socket that was deleted is not felt: expiry alone decides', async () => {
    const ttlMs = 2000
    const [leader, follower] = await leaderAndFollowers(1, ttlMs)
    if (!follower) throw new Error('no follower')
    const renewedAt = await renewal()
    const { socket } = await bench.record()
    await unlink(bench.path('e', 'live', socket?.name ?? ''))
    leader.kill()
    const news = await follower.heard('elected')
    expect(news.at - renewedAt).toBeGreaterThan(ttlMs * 0.9)
  })

  test('a child that inherited the socket is felt as its leader is, until it has ended too', async () => {
    const leader = await Actor.start(dir)
    const held = bench.bid('e', { ttlMs: LONG_MS })
    await leader.call('acquire', held)
    const guard = await leader.call('guard', 'e', await actorScript())
    if (guard === undefined) throw new Error('no guard')
    try {
      await leader.kill().ended
      const follower = await Actor.start(dir)
      const bid = bench.bid('e', { ttlMs: LONG_MS })
      for (let i = 0; i < 20; i++) expect(isOurs(await follower.call('acquire', bid), bid)).toBe(false)
    } finally {
      process.kill(guard, 'SIGKILL')
    }
    const next = bench.bid('e', { ttlMs: LONG_MS })
    const store = subject.file({ dir })
    await until(async () => isOurs(await store.acquire(next, patient), next), 'the guard’s end to be felt')
    await store.release(next, patient)
  })

  test('a crash before anybody watches is felt by who comes later', async () => {
    const leader = await Actor.start(dir)
    await leader.call('acquire', bench.bid('e', { ttlMs: LONG_MS }))
    await leader.kill().ended
    expect(isFree(await subject.file({ dir }).read('e', patient))).toBe(true)
  })

  test.each(['exit', 'throw', 'reject', 'abort'] as const)('a program that ends by `%s` is felt too', async (how) => {
    const leader = await Actor.start(dir, { stdio: 'ignore' })
    await leader.call('acquire', bench.bid('e', { ttlMs: LONG_MS }))
    await leader.call('end', how).catch(() => {})
    await leader.ended
    expect(isFree(await subject.file({ dir }).read('e', patient))).toBe(true)
  })

  test('no descriptors left in a follower: it says so, deposes nobody, and goes on afterwards', async () => {
    const leader = await Actor.start(dir)
    const held = bench.bid('e', { ttlMs: LONG_MS })
    await leader.call('acquire', held)
    const follower = await Actor.start(dir)
    for (const spare of [0, 1, 2]) {
      await follower.call('exhaust', spare)
      const bid = bench.bid('e', { ttlMs: LONG_MS })
      const answer = await follower.call('acquire', bid).then(
        (lease) => lease?.holder,
        ({ code }: { code: string }) => code,
      )
      expect(['store-unreachable', held.holder]).toContain(answer)
      await follower.call('recover')
    }
    expect((await follower.call('read', 'e'))?.holder).toBe(held.holder)
    await leader.kill().ended
    expect(isFree(await follower.call('read', 'e'))).toBe(true)
  })

  test('a directory that is removed deposes the leader in it at once, and the election goes on', async () => {
    const [leader, follower] = await leaderAndFollowers(1, 12_000)
    // Removed as an operator would, who has to repeat it where somebody writes at that very moment.
    await rm(bench.path(), { recursive: true, force: true, maxRetries: 10, retryDelay: 1 })
    const news = await leader.heard('deposed')
    expect(news.why).toBe('superseded')
    await Promise.race([leader.heard('elected', 1), follower?.heard('elected')])
  })

  test('a program ends by itself when it has stopped, and when only its store is left', async () => {
    const [leader, follower] = await leaderAndFollowers(1)
    await leader.call('stop')
    await leader.call('leave')
    await leader.ended
    await follower?.heard('elected')
    const idle = await Actor.start(dir)
    await idle.call('stand', { election: 'e', ttlMs: LONG_MS, unref: true })
    await idle.call('leave')
    await idle.ended
    // It stood, and was let end all the same: whoever comes next need not wait.
    const unreferenced = await Actor.start(dir)
    await unreferenced.call('stand', { election: 'f', ttlMs: LONG_MS, unref: true })
    await unreferenced.call('leave')
    await unreferenced.ended
    expect(isFree(await subject.file({ dir }).read('f', patient))).toBe(true)
  })
})

/** Waits until the lease is renewed. Resolves with an instant just before. */
async function renewal(): Promise<number> {
  const version = await bench.top()
  let before = now()
  await until(async () => {
    const askedAt = now()
    const renewed = (await bench.top()) !== version
    if (!renewed) before = askedAt
    return renewed
  }, 'a renewal')
  return before
}

/** The leader has accepted so many connections, as the system's table of sockets shows. */
async function connected(count: number): Promise<void> {
  const { socket } = await bench.record()
  // The table knows a socket by the name it was bound under.
  const name = socket?.name.replace('.sock', '') ?? '?'
  const established = async () => {
    const table = await readFile('/proc/net/unix', 'utf8')
    // Flags 0: not listening. State 03: connected.
    return table.split('\n').filter((line) => line.includes(name) && line.split(/\s+/)[5] === '03').length
  }
  await until(async () => (await established()) >= count, `${count} followers to be connected`)
}
