/**
 * The cases of acceptance that hold on every store, each named by its sentence: real candidates on store objects of their
 * own, as processes would have them, and the real server where the store has one. The ground says what an operator can do.
 * Nothing here may depend on how a store does it.
 */

import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Candidate, type CandidateOptions, Fence, type Leader, type LeaseStore, observe } from '../../src/index.ts'
import { type FlakyStore, flaky } from '../../src/testing/index.ts'
import { randomFrom } from '../../src/testing/manual-clock.ts'
import { until } from '../harness/server.ts'
import { bidFor, Contest, calm, LONG_MS, patient, release, SHORT_MS, wins } from './contest.ts'

export interface Ground {
  /** A store object of its own, over the same data each time; closed by the tests. */
  open(): LeaseStore
  /** Delete what the store keeps of one election, as an operator would; absent where nobody can reach it. */
  wipe?(election: string): unknown
  /** Kill the server and start it again. */
  restart?(): unknown
  /** Connections of stores, as the server counts them. */
  connections?(): Promise<number>
  /** How many tenures the token is followed over. @default 300 */
  readonly tenures?: number
}

export function describePromises(name: string, ground: Ground): void {
  describe(`${name} keeps the promises`, { timeout: 180_000 }, () => {
    const contests: Contest[] = []
    const opened: LeaseStore[] = []

    // Some stores need a moment after their server was started.
    beforeAll(async () => {
      const store = ground.open()
      const bid = bidFor(new Contest().election, LONG_MS)
      await wins(store, bid)
      await release(store, bid)
      await store.close?.()
    }, 120_000)

    afterEach(async () => {
      await Promise.all(contests.splice(0).map((contest) => contest.stop()))
      // B14: nothing stands any more, so that nothing is left; the stores are still open.
      const { connections } = ground
      if (connections) await until('no connection is left', async () => (await connections()) === 0)
      await Promise.all(opened.splice(0).map((store) => store.close?.()))
    })

    const open = (): LeaseStore => {
      const store = ground.open()
      opened.push(store)
      return store
    }
    const contest = (): Contest => {
      const made = new Contest()
      contests.push(made)
      return made
    }

    test('A1: start unopposed leads by the time start() resolves; stop ends leading; start after stop leads again', async () => {
      const it = contest()
      const a = it.add(open(), patient)
      await a.stop()
      await a.start()
      expect(a.isLeader).toBe(true)
      await a.start()
      await a.stop()
      await a.stop()
      expect(a.isLeader).toBe(false)
      expect(await open().read(it.election, calm())).toBeUndefined()
      await a.start()
      expect(a.isLeader).toBe(true)
      expect(it.said.filter((line) => line !== 'c0 store-unreachable')).toEqual(['c0 elected', 'c0 stopped', 'c0 elected'])
      it.judge()
    })

    test('A2, A10: with A leading B follows: no start, no end and no error is told; A stops, and B leads long before the ttl is over', async () => {
      const it = contest()
      const a = it.add(open(), { ttlMs: 120_000, ...patient })
      await a.start()
      const b = it.add(open(), { ttlMs: 120_000, ...patient })
      await b.start()
      expect(b.isLeader).toBe(false)
      expect(b.leader).toMatchObject({ candidate: a.id, isMe: false })
      await a.stop()
      expect(it.said).not.toContain('c1 store-unreachable')
      expect(await it.leader()).toBe(b)
      expect(it.said.filter((line) => line.startsWith('c1'))).toEqual(['c1 elected'])
      it.judge()
    })

    test('A5: the record can be read and watched by anybody: election, leader, since when', async () => {
      const it = contest()
      const onlooker = open()
      const ended = new AbortController()
      const seen: (Leader | undefined)[] = []
      const looking = (async () => {
        for await (const leader of observe(it.election, { store: onlooker, retryMs: 700, signal: ended.signal })) seen.push(leader)
      })()
      await until('it has looked', () => seen.length === 1)
      expect(seen).toEqual([undefined])
      const a = it.add(open(), { id: 'alice', advert: 'http://a', ...patient })
      await a.start()
      await until('alice is seen', () => seen.at(-1)?.candidate === 'alice')
      expect(seen.at(-1)).toMatchObject({ fencingToken: a.tenure?.fencingToken, advert: 'http://a', isMe: false })
      const lease = await onlooker.read(it.election, calm())
      expect(lease).toMatchObject({ candidate: 'alice', fencingToken: a.tenure?.fencingToken })
      expect(lease?.heldMs ?? Number.NaN).toBeGreaterThanOrEqual(0)
      expect(await onlooker.list?.(calm())).toContain(it.election)
      await a.stop()
      await until('nobody is seen', () => seen.at(-1) === undefined)
      ended.abort()
      await looking
    })

    test('A22: an observer with its defaults hears of a first election, of a handover, and of the end', async () => {
      const it = contest()
      const ended = new AbortController()
      const seen: (string | undefined)[] = []
      const looking = (async () => {
        for await (const leader of observe(it.election, { store: open(), signal: ended.signal })) seen.push(leader?.candidate)
      })()
      // Long before it would look by itself: after 7.5 s at the earliest.
      const sees = (candidate: string | undefined) =>
        until(`${candidate} is seen`, () => seen.length > 0 && seen.at(-1) === candidate, 7000)
      await sees(undefined)
      const [a, b] = [it.add(open(), { id: 'first' }), it.add(open(), { id: 'second' })]
      await a.start()
      await sees('first')
      await b.start()
      await a.stop()
      await sees('second')
      await b.stop()
      await sees(undefined)
      ended.abort()
      await looking
    })

    test.skipIf(!ground.wipe)(
      'A5, D1: the record is deleted by an operator: the leader steps down at its next renewal, and the token still grows',
      async () => {
        const it = contest()
        // Where a deletion has to be waited out, that takes a ttl.
        const options = { ttlMs: SHORT_MS, renewMs: 500 }
        it.add(open(), options)
        it.add(open(), options)
        await it.start()
        for (let round = 0; round < 3; round++) {
          const leader = await it.leader()
          const [token, begun] = [leader.tenure?.fencingToken ?? Number.NaN, it.said.length]
          await ground.wipe?.(it.election)
          await until('it has stepped down', () => it.said.slice(begun).some((line) => /superseded|expired/.test(line)))
          const next = await it.leader()
          expect(next.tenure?.fencingToken).toBeGreaterThan(token)
          expect(it.leaders).toHaveLength(1)
        }
        // Whoever looks before that renewal leads at once: the operator meant it.
        it.judge({ overlaps: 3 })
      },
    )

    test('A12, A14: a hundred candidates, then two hundred: exactly one leads, gated work runs in one, elections are independent; all stopped: none', async () => {
      const stores = Array.from({ length: 4 }, open)
      const it = contest()
      const other = contest()
      const add = (n: number) => Array.from({ length: n }, (_, i) => it.add(stores[i % 4] ?? open(), { retryMs: 3000, renewMs: 1000 }))
      const gated = () => it.all.filter((candidate) => candidate.isLeader).map(({ id }) => id)
      const bystander = other.add(stores[0] ?? open(), patient)
      await bystander.start()
      for (const crowd of [100, 200]) {
        add(crowd - it.all.length)
        await it.start()
        const leader = await it.leader()
        expect(gated()).toEqual([leader.id])
        await until('all know who leads', () => it.all.every((each) => each === leader || each.leader?.candidate === leader.id), 60_000)
        expect(gated()).toEqual([leader.id])
      }
      const first = await it.leader()
      await first.stop()
      const second = await it.leader()
      expect(second).not.toBe(first)
      expect(gated()).toEqual([second.id])
      await it.stop()
      expect(gated()).toEqual([])
      expect(await open().read(it.election, calm())).toBeUndefined()
      expect(bystander.isLeader).toBe(true)
      // On a busy host one of its calls may be late.
      expect(other.said.filter((line) => line !== 'c0 store-unreachable')).toEqual(['c0 elected'])
      it.judge()
    })

    test('A22, A23: who starts again under the same id is elected anew, with a larger token; every candidate hears of every new leader', async () => {
      const it = contest()
      const heard = new Map<Candidate, number[]>()
      const add = (id: string) => {
        const candidate = it.add(open(), { id, ...patient })
        heard.set(candidate, [])
        candidate.on('leader', (leader) => void (leader && heard.get(candidate)?.push(leader.fencingToken)))
        return candidate
      }
      const [first, again, onlooker] = [add('same'), add('same'), add('onlooker')]
      await first.start()
      await again.start()
      expect(again.isLeader).toBe(false)
      expect(again.leader).toMatchObject({ candidate: 'same', isMe: false })
      await onlooker.start()
      await first.stop()
      expect([again, onlooker]).toContain(await it.leader())
      await until('both have heard of both', () =>
        [again, onlooker].every((candidate) => it.tokens.every((token) => heard.get(candidate)?.includes(token))),
      )
      expect(it.tokens).toHaveLength(2)
      expect(heard.get(onlooker)).toEqual(it.tokens)
      it.judge()
    })

    test('B13: 200 candidates see the same release: a few calls each, one winner', async () => {
      const it = contest()
      const stores = Array.from({ length: 4 }, open)
      const links = Array.from({ length: 200 }, (_, i) => flaky(stores[i % 4] ?? open()))
      const calls = () => links.reduce((sum, { counts }) => sum + counts.acquire + counts.read, 0)
      for (const link of links) it.add(link, { ttlMs: 120_000, renewMs: 3000, retryMs: 20_000 })
      await it.start()
      const first = await it.leader()
      const knows = (leader: Candidate) =>
        until('all know', () => it.all.every((each) => each === first || each.leader?.fencingToken === leader.tenure?.fencingToken), 60_000)
      await knows(first)
      const before = calls()
      await first.stop()
      const second = await it.leader()
      await knows(second)
      expect(it.leaders).toEqual([second])
      expect((calls() - before) / links.length).toBeLessThanOrEqual(3)
      it.judge()
    })

    test("A13: the leader's store fails: it stops believing by its deadline, another leads; then the other way round", async () => {
      const it = contest()
      const links: FlakyStore[] = [flaky(open()), flaky(open())]
      for (const link of links) it.add(link, { ttlMs: SHORT_MS, renewMs: 500 })
      await it.start()
      for (let round = 0; round < 2; round++) {
        const leader = await it.leader()
        const link = links[it.all.indexOf(leader)]
        link?.cut()
        const next = await it.leader(leader)
        expect(leader.isLeader).toBe(false)
        expect(it.said).toContain(`${leader.id} expired`)
        link?.heal()
        // Back, it learns who leads, and follows.
        await until('it follows', () => leader.leader?.candidate === next.id || next.isLeader === false)
      }
      it.judge()
    })

    test('A21: stopped with release: another at once; without: within two leases; all stopped, a new generation elects one', async () => {
      const it = contest()
      const links: FlakyStore[] = Array.from({ length: 3 }, () => flaky(open()))
      for (const link of links) it.add(link, { ttlMs: SHORT_MS, renewMs: 500 })
      await it.start()
      const first = await it.leader()
      await first.stop()
      const second = await it.leader()
      expect(second).not.toBe(first)
      // It ends without a word, as a process does that is killed.
      links[it.all.indexOf(second)]?.cut()
      await second.stop()
      const silentAt = performance.now()
      expect(await it.leader()).not.toBe(second)
      // What a busy machine and a server that looks now and then add, on top.
      expect(performance.now() - silentAt).toBeLessThan(2 * SHORT_MS + 10_000)
      await it.stop()
      expect(it.leaders).toEqual([])
      for (let i = 0; i < 3; i++) it.add(open())
      await Promise.all(it.all.slice(3).map((candidate) => candidate.start()))
      await it.leader()
      expect(it.leaders).toHaveLength(1)
      it.judge()
    })

    test('B10: a fifth of all requests comes twice: no effect', async () => {
      const it = contest()
      const fence = new Fence()
      const work: CandidateOptions['work'] = (tenure) => fence.assertAdmits(tenure.fencingToken)
      // The second of a bid may come when the first has been released, and then nobody leads for a ttl.
      for (let i = 0; i < 3; i++) it.add(flaky(open(), { chances: { doubled: 0.2 }, seed: i + 1 }), { work, ttlMs: 8000 })
      await it.start()
      for (let round = 0; round < 15; round++) {
        const leader = await it.leader()
        await leader.stepDown({ cooldownMs: 50 })
      }
      await it.leader()
      // A busy host may be late with an answer; that is trouble, and no effect.
      expect(it.said.filter((line) => !/ (elected|stepped-down|store-unreachable)$/.test(line))).toEqual([])
      expect(it.tokens.length).toBeGreaterThanOrEqual(15)
      it.judge()
    })

    const { tenures = 300 } = ground
    test(`B12: the token strictly grows over ${tenures} tenures mixing release, expiry, deletion, new clients and restart; a stale one is refused`, async () => {
      const random = randomFrom(12)
      const { election } = new Contest()
      const fence = new Fence()
      let store = open()
      let last = 0
      for (let i = 0; i < tenures; i++) {
        const rare = i % Math.ceil(tenures / 12) === 5
        const ends = rare ? (['expires', 'deleted', 'restarted', 'forgotten'] as const)[Math.floor(random() * 4)] : 'released'
        // Whoever has seen it may have to wait for its end.
        const bid = bidFor(election, ends === 'released' ? LONG_MS : (store.minTtlMs ?? 300))
        const { fencingToken } = await wins(store, bid)
        expect(fencingToken).toBeGreaterThan(last)
        expect(fence.admits(fencingToken)).toBe(true)
        if (last > 0) expect(() => fence.assertAdmits(last)).toThrow(`Fencing token ${last} is stale`)
        last = fencingToken
        if (ends === 'deleted') await ground.wipe?.(election)
        if (ends === 'restarted') await ground.restart?.()
        if (ends === 'forgotten') store = open()
        if (ends === 'released' || ends === 'deleted') await release(store, bid)
      }
    })
  })
}
