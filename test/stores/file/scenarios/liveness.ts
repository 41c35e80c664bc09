/** Death, and what is not one. */

import { link, rename, unlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { expect } from 'vitest'
import { inTheAir } from '../../../in-the-air.ts'
import { type Bench, isFree, isOurs, patient, until } from '../bench.ts'
import type { Scenario } from './scenario.ts'

export const liveness: readonly Scenario[] = [
  {
    name: 'a leader that died is felt, before its ttl',
    async run(bench) {
      const leader = bench.store()
      await leader.acquire(bench.bid(), patient)
      const follower = bench.store()
      const rival = bench.bid()
      expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(false)
      await bench.kill(leader)
      expect(isFree(await bench.store().read('e', patient))).toBe(true)
      expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(true)
    },
  },
  {
    name: 'a connection that ends while its leader lives is made anew, and deposes nobody',
    async run(bench) {
      const leader = bench.store()
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      const follower = bench.store()
      const controller = new AbortController()
      const watch = follower.watch?.('e', () => {}, controller.signal)
      watch?.catch(() => {})
      await follower.read('e', patient)
      await until(() => bench.connected(leader) === 1, 'the follower to be connected')
      for (let i = 0; i < 3; i++) {
        const before = bench.accepted(leader)
        bench.disconnect(leader)
        await until(() => bench.accepted(leader) > before, 'the follower to connect again', 10_000)
      }
      const rival = bench.bid()
      expect((await follower.acquire(rival, patient))?.holder).toBe(bid.holder)
      // A leader that hangs up each time is not asked in a frenzy: a few at once, then with longer and longer pauses.
      for (let i = 0; i < 20; i++) {
        bench.disconnect(leader)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      expect(bench.accepted(leader)).toBeLessThan(10)
      expect((await follower.acquire(rival, patient))?.holder).toBe(bid.holder)
      controller.abort()
      await watch
      expect(bench.clock.pending).toBe(0)
    },
  },
  {
    name: 'a socket that is missing proves nothing',
    async run(bench) {
      const leader = bench.store()
      await leader.acquire(bench.bid(), patient)
      const { socket } = await bench.record()
      await unlink(bench.path('e', 'live', socket?.name ?? ''))
      await refusedForItsTtl(bench)
    },
  },
  {
    name: 'a socket that was replaced proves nothing',
    async run(bench) {
      const leader = bench.store()
      await leader.acquire(bench.bid(), patient)
      const { socket } = await bench.record()
      const path = bench.path('e', 'live', socket?.name ?? '')
      await unlink(path)
      const other = createServer()
      await new Promise<void>((resolve) => other.listen(path, resolve))
      await link(path, `${path}.kept`)
      await new Promise((resolve) => other.close(resolve))
      await rename(`${path}.kept`, path)
      await refusedForItsTtl(bench)
    },
  },
  {
    name: 'a refusal on another machine, or after another boot, proves nothing',
    async run(bench) {
      const { systemLifelines } = bench.subject
      const listen = async (folder: string) => {
        const lifeline = await systemLifelines.listen(folder)
        return 'unfelt' in lifeline ? lifeline : { ...lifeline, mark: { ...lifeline.mark, boot: 'another' } }
      }
      const leader = bench.store({ lifelines: { listen } })
      await leader.acquire(bench.bid(), patient)
      await bench.kill(leader)
      await refusedForItsTtl(bench)
    },
  },
  {
    name: 'each tenure has a socket of its own, closed after its release and not before',
    async run(bench) {
      const { store, gate } = bench.held('link')
      gate.open()
      const names: (string | undefined)[] = []
      for (let i = 0; i < 2; i++) {
        const bid = bench.bid()
        await store.acquire(bid, patient)
        names.push((await bench.record()).socket?.name)
        const server = store.livenessServer('e')
        expect(server?.listening).toBe(true)
        gate.shut()
        const before = gate.count
        const release = inTheAir(store.release(bid, patient))
        await gate.reached(before + 1)
        expect(server?.listening).toBe(true)
        gate.open()
        await release
        expect(server?.listening).toBe(false)
        expect(store.livenessServer('e')).toBeUndefined()
        expect(await bench.subject.systemDisk.list(bench.path('e', 'live'))).toEqual([])
      }
      expect(new Set(names).size).toBe(2)
      expect(names).not.toContain(undefined)
    },
  },
  {
    name: 'a socket stays while a lease was not given back, whatever becomes of the lease and the store object',
    async run(bench) {
      const leader = bench.store()
      const bid = bench.bid()
      await leader.acquire(bid, patient)
      await bench.clock.advance(500)
      expect(await leader.renew(bid, patient)).toBe(0)
      await leader.close?.()
      expect(leader.livenessServer('e')?.listening).toBe(true)
      await leader.release(bid, patient)
      expect(leader.livenessServer('e')).toBeUndefined()
    },
  },
  {
    name: 'where no socket can be had, expiry alone decides, and that is said',
    async run(bench) {
      const warnings: string[] = []
      const warned = (warning: Error & { code?: string }) => void (warning.code === 'expiry-only' && warnings.push(warning.message))
      process.on('warning', warned)
      bench.later(() => process.off('warning', warned))
      const leader = bench.store({ lifelines: { listen: async () => ({ unfelt: 'no path fits' }) } })
      await leader.acquire(bench.bid(), patient)
      await refusedForItsTtl(bench)
      await until(() => warnings.length > 0, 'a warning')
      expect(warnings[0]).toContain('no path fits')
    },
  },
]

/** Somebody who has just come is refused for as long as he would be by a leader that is frozen, and not for longer. */
async function refusedForItsTtl(bench: Bench): Promise<void> {
  const follower = bench.store()
  const rival = bench.bid()
  expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(false)
  await bench.clock.advance(499)
  expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(false)
  await bench.clock.advance(1)
  expect(isOurs(await follower.acquire(rival, patient), rival)).toBe(true)
}
