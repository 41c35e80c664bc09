/** What wakes a follower, and what must not. */

import { rm } from 'node:fs/promises'
import { expect } from 'vitest'
import type { FileStore } from '../../../../src/stores/file.ts'
import { isFree, patient, until } from '../bench.ts'
import type { Scenario } from './scenario.ts'

export const watching: readonly Scenario[] = [
  {
    name: 'acquisitions and releases wake who watches, renewals do not',
    async run(bench) {
      const leader = bench.store()
      const follower = bench.store()
      const watch = begin(follower)
      await until(() => watch.woken === 1, 'the watch to be in place')
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      await until(() => watch.woken >= 2, 'an acquisition to wake')
      await settled(() => watch.woken)
      const before = watch.woken
      for (let i = 0; i < 20; i++) await leader.renew(bid, patient)
      await settled(() => watch.woken)
      expect(watch.woken).toBe(before)
      await leader.release(bid, patient)
      await until(() => watch.woken > before, 'a release to wake')
      await watch.end()
    },
  },
  {
    name: 'who watches sees each renewal when it is made: a lease is over a ttl after the last',
    async run(bench) {
      const leader = bench.store()
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      let looks = 0
      const { systemDisk } = bench.subject
      const read = async (path: string) => {
        const bytes = await systemDisk.read(path)
        looks += 1
        return bytes
      }
      const follower = bench.store({ disk: { read } })
      const watch = begin(follower)
      await until(() => watch.woken === 1, 'the watch to be in place')
      await follower.read('e', patient)
      await bench.clock.advance(300)
      const before = looks
      await leader.renew(bid, patient)
      await until(() => looks > before, 'the renewal to be seen', 5000)
      await bench.clock.advance(499)
      expect(isFree(await follower.read('e', patient))).toBe(false)
      await bench.clock.advance(1)
      expect(isFree(await follower.read('e', patient))).toBe(true)
      await watch.end()
    },
  },
  {
    name: 'the death of a leader wakes who watches it',
    async run(bench) {
      const leader = bench.store()
      await leader.acquire(bench.bid(), patient)
      const follower = bench.store()
      const watch = begin(follower)
      await until(() => watch.woken === 1, 'the watch to be in place')
      await follower.read('e', patient)
      await until(() => bench.connected(leader) === 1, 'the follower to be connected')
      await bench.kill(leader)
      await until(() => watch.woken > 1, 'the death to wake')
      expect(isFree(await follower.read('e', patient))).toBe(true)
      await watch.end()
    },
  },
  {
    name: 'a directory that is removed wakes the leader in it, and the watch is lost',
    async run(bench) {
      const leader = bench.store()
      const watch = begin(leader)
      const lost = expect(watch.over).rejects.toMatchObject({ code: 'store-unreachable' })
      await until(() => watch.woken === 1, 'the watch to be in place')
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      await until(() => watch.woken >= 2, 'the acquisition to wake')
      const before = watch.woken
      await rm(bench.path(), { recursive: true })
      await lost
      expect(watch.woken).toBeGreaterThan(before)
      expect(await leader.renew(bid, patient)).toBe(0)
    },
  },
  {
    name: 'without a watch of the system the connection to the leader has to do; without both the watch is refused',
    async run(bench) {
      const none = () => {
        throw Object.assign(new Error('EMFILE: too many open files, watch'), { code: 'EMFILE' })
      }
      const follower = bench.store({ disk: { watch: none } })
      await expect(follower.watch?.('e', () => {}, patient)).rejects.toMatchObject({ code: 'store-unreachable' })
      const leader = bench.store()
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      const watch = begin(follower)
      const lost = expect(watch.over).rejects.toMatchObject({ code: 'store-unreachable' })
      await until(() => watch.woken === 1, 'the watch to be in place')
      await leader.release(bid, patient)
      await lost
      expect(watch.woken).toBe(2)
    },
  },
  {
    name: 'nothing is left when nobody watches any more',
    async run(bench) {
      const leader = bench.store()
      await leader.acquire(bench.bid(), patient)
      const follower = bench.store()
      const watch = begin(follower)
      await follower.read('e', patient)
      await until(() => bench.connected(leader) === 1, 'the follower to be connected')
      await watch.end()
      await until(() => bench.connected(leader) === 0, 'the connection to be closed')
      await follower.read('e', patient)
      await until(() => bench.connected(leader) === 0, 'no connection to be kept')
    },
  },
]

/** Wait until a count has stopped changing, for a moment that is long for the system that reports it. */
async function settled(count: () => number): Promise<void> {
  for (let last = -1; last !== count(); ) {
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** A watch, and how often it has called. */
function begin({ watch: on }: FileStore) {
  const controller = new AbortController()
  const watch = {
    woken: 0,
    over: Promise.resolve(),
    end() {
      controller.abort()
      return watch.over
    },
  }
  const changed = () => {
    watch.woken += 1
  }
  watch.over = on?.('e', changed, controller.signal) ?? Promise.reject(new Error('the store has no watch'))
  // Whoever expects it to be lost says so; where a scenario fails first, nobody does.
  watch.over.catch(() => {})
  return watch
}
