import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { type EtcdStore, etcd } from '../../../src/stores/etcd.ts'
import { type EtcdCluster, startEtcdCluster } from '../../harness/etcd-cluster.ts'
import { findServer } from '../../harness/servers.ts'
import { bidFor, patient, until, winsInTime } from './lab.ts'

const TTL = 3000

describe.skipIf(!findServer('etcd'))('three members', () => {
  const left: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const end of left.splice(0).reverse()) await end()
  })

  async function cluster(): Promise<EtcdCluster> {
    const started = await startEtcdCluster()
    left.push(() => started.close())
    return started
  }

  /** Three candidates, each with another member first, that note each moment in which they believe to lead. */
  function campaign(endpoints: readonly string[]) {
    const seen: { look: number; token: number; index: number }[] = []
    let look = 0
    const candidates = endpoints.map((_, index) => {
      const turned = [...endpoints.slice(index), ...endpoints.slice(0, index)]
      const candidate = new Candidate({ election: 'cluster', store: etcd({ endpoints: turned }), ttlMs: TTL, id: `c${index}` })
      candidate.on('trouble', () => {})
      return candidate
    })
    // No pause can come between the question and the note: all candidates are asked in one turn.
    const sampler = setInterval(() => {
      look += 1
      for (const [index, candidate] of candidates.entries()) {
        const { tenure } = candidate
        if (tenure) seen.push({ look, token: tenure.fencingToken, index })
      }
    }, 2)
    left.push(async () => {
      await Promise.all(candidates.map((candidate) => candidate.stop()))
      clearInterval(sampler)
    })
    return {
      candidates,
      seen,
      leader: () => candidates.findIndex(({ isLeader }) => isLeader),
      start: () => Promise.all(candidates.map((candidate) => candidate.start())),
      led: (what: string) => until(what, () => candidates.some(({ isLeader }) => isLeader)),
      /** One leader at each moment, and tokens that only grow. */
      check() {
        for (const [i, { look, token }] of seen.entries()) {
          const next = seen[i + 1]
          if (!next) break
          expect(next.token).toBeGreaterThanOrEqual(token)
          if (next.look === look) throw new Error('two leaders at once')
        }
      },
    }
  }

  test('the leading member is killed: the same holder goes on elsewhere, or another leads, and never two', async () => {
    const { members, endpoints, leader } = await cluster()
    const election = campaign(endpoints)
    await election.start()
    await election.led('somebody leads')
    for (let round = 0; round < 2; round++) {
      const victim = members[await leader()]
      await victim?.kill()
      // A lease that is renewed by nobody has run out by then: who is seen to lead goes on, or is another.
      await new Promise((resolve) => setTimeout(resolve, TTL))
      await election.led('somebody leads while a member is down')
      await victim?.start()
    }
    election.check()
    expect(election.seen.length).toBeGreaterThan(0)
  })

  test('a member that is cut off from the others: whoever leads through it goes elsewhere, never two', async () => {
    const { endpoints, partition, heal } = await cluster()
    const election = campaign(endpoints)
    await election.start()
    await election.led('somebody leads')
    // The first member of whoever leads, as each has another.
    const lost = election.leader()
    await partition(lost)
    const cutOff = etcd({ endpoints: endpoints[lost] ?? '' })
    await expect(cutOff.read('cluster', AbortSignal.timeout(TTL / 3))).rejects.toThrow()
    // As above: whoever still led through the member that is cut off does so no more.
    await new Promise((resolve) => setTimeout(resolve, TTL * 1.5))
    await election.led('somebody leads while a member is cut off')
    const before = election.leader()
    // Stopped, so that a follower has to hear of it through whichever member it watches now.
    await election.candidates[before]?.stop()
    await until('another leads', () => election.leader() >= 0 && election.leader() !== before)
    heal()
    await election.candidates[before]?.start()
    election.check()
  })

  test('a member that lost all it had: leases and tokens are those of the others', async () => {
    const { endpoints, wipe } = await cluster()
    const election = campaign(endpoints)
    await election.start()
    await election.led('somebody leads')
    await wipe(1)
    // As above.
    await new Promise((resolve) => setTimeout(resolve, TTL))
    await election.led('somebody leads')
    election.check()
    const largest = election.seen.at(-1)?.token ?? 0
    await Promise.all(election.candidates.map((candidate) => candidate.stop()))
    const store = etcd({ endpoints: endpoints[1] ?? '' })
    const next = await winsInTime(store, 'cluster', { ttlMs: TTL })
    expect(next.token).toBeGreaterThan(largest)
    await store.release(next, patient())
  })

  test('a member that is frozen costs one pause, not the lease', async () => {
    const { members, endpoints, leader } = await cluster()
    const leading = await leader()
    const frozen = (leading + 1) % 3
    const first: EtcdStore = etcd({ endpoints: [endpoints[frozen] ?? '', ...endpoints.filter((_, i) => i !== frozen)] })
    const bid = bidFor('frozen-member', { ttlMs: 36_000 })
    await first.acquire(bid, patient())
    members[frozen]?.freeze()
    left.push(async () => members[frozen]?.thaw())
    // One twelfth of the ttl, and the next member answers within the same call.
    expect(await first.renew(bid, patient())).toBe(36_000)
    await first.release(bid, patient())
  })
})
