import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { LeaseStore } from '../../../src/store.ts'
import type { EtcdOptions } from '../../../src/stores/etcd.ts'
import { plant } from '../../harness/plant.ts'
import { startProxy } from '../../harness/proxy.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { ask, bidFor, counting, patient, storeAt, until } from './lab.ts'

describe.skipIf(!findServer('etcd'))('watch', () => {
  let server: Server
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())
  const begun: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const end of begun.splice(0)) await end()
  })

  function begin(store: LeaseStore, election: string) {
    const controller = new AbortController()
    const watch = { nudges: 0, lost: undefined as unknown, ended: false, end: () => controller.abort() }
    const outcome = store.watch?.(
      election,
      () => {
        watch.nudges += 1
      },
      controller.signal,
    )
    const settled = Promise.resolve(outcome).then(
      () => {
        watch.ended = true
      },
      (thrown: unknown) => {
        watch.lost = thrown
      },
    )
    begun.push(async () => {
      controller.abort()
      await settled
    })
    return watch
  }

  test('tells of a win and of a release at once, of others not at all, by one stream', async () => {
    const { fetch, paths } = counting()
    const store = storeAt(server.port, { fetch })
    const mine = begin(store, 'seen')
    const other = begin(store, 'seen/not')
    await until('both are in place', () => mine.nudges === 1 && other.nudges === 1)
    const leader = storeAt(server.port)
    const bid = bidFor('seen', { ttlMs: 60_000 })
    await leader.acquire(bid, patient())
    await until('the win is told', () => mine.nudges === 2)
    await leader.renew(bid, patient())
    await leader.release(bid, patient())
    await until('the release is told', () => mine.nudges === 3)
    expect(other.nudges).toBe(1)
    expect(paths.filter((path) => path === '/v3/watch')).toHaveLength(1)
    mine.end()
    const late = begin(store, 'seen')
    await until('a later one is in place', () => late.nudges === 1)
    expect(paths.filter((path) => path === '/v3/watch')).toHaveLength(1)
  })

  test('a lease that lapses is told', async () => {
    const watch = begin(storeAt(server.port), 'lapses')
    await until('it is in place', () => watch.nudges === 1)
    await storeAt(server.port).acquire(bidFor('lapses'), patient())
    await until('the win and the end are told', () => watch.nudges === 3)
  })

  test('a silent stream is opened anew where it ended, and what happened meanwhile is told', async () => {
    const proxy = await startProxy(server.port)
    begun.push(() => proxy.close())
    const { fetch, paths } = counting()
    const watch = begin(storeAt(proxy.port, { silenceMs: 400, fetch }), 'silent')
    await until('it is in place', () => watch.nudges === 1)
    // The connection is dead, and nobody is told.
    proxy.halfOpen()
    const leader = storeAt(server.port)
    const bid = bidFor('silent', { ttlMs: 60_000 })
    await leader.acquire(bid, patient())
    await until('the win is told', () => watch.nudges === 2)
    expect(watch.lost).toBeUndefined()
    const opened = paths.length
    await until('it is opened again and again', () => paths.length > opened + 2)
    // Nobody is woken by it.
    expect(watch.nudges).toBe(2)
    await leader.release(bid, patient())
  })

  test('what was compacted meanwhile is not missed: all look for themselves', async () => {
    const proxy = await startProxy(server.port)
    begun.push(() => proxy.close())
    const watch = begin(storeAt(proxy.port, { silenceMs: 1000 }), 'compacted')
    await until('it is in place', () => watch.nudges === 1)
    proxy.halfOpen()
    const leader = storeAt(server.port)
    for (let i = 0; i < 3; i++) {
      const bid = bidFor('compacted', { ttlMs: 60_000 })
      await leader.acquire(bid, patient())
      await leader.release(bid, patient())
    }
    const { header } = await ask<{ header: { revision: string } }>(server.port, '/v3/kv/range', { key: 'AA==' })
    await ask(server.port, '/v3/kv/compaction', { revision: header.revision })
    await until('it is told to look', () => watch.nudges >= 2)
    const bid = bidFor('compacted', { ttlMs: 60_000 })
    const before = watch.nudges
    await leader.acquire(bid, patient())
    await until('it goes on', () => watch.nudges > before)
    expect(watch.lost).toBeUndefined()
    await leader.release(bid, patient())
  })

  async function missedWin(store: LeaseStore, cut: () => void, election: string, boundMs?: number): Promise<boolean> {
    const watch = begin(store, election)
    await until('it is in place', () => watch.nudges === 1)
    cut()
    const leader = storeAt(server.port)
    const bid = bidFor(election, { ttlMs: 60_000 })
    await leader.acquire(bid, patient())
    const isTold = await until('the win is told', () => watch.nudges > 1, boundMs).then(
      () => true,
      () => false,
    )
    await leader.release(bid, patient())
    return !isTold
  }

  test('planted: a stream that resumes from now on misses what happened meanwhile', async () => {
    const proxy = await startProxy(server.port)
    begun.push(() => proxy.close())
    const module = (await plant('src/stores/etcd.ts', [
      { file: 'src/stores/etcd/watcher.ts', find: '{ start_revision: String(this.#from) }', replace: '{}' },
    ])) as { etcd(options: EtcdOptions): LeaseStore }
    const options = { endpoints: `http://127.0.0.1:${proxy.port}`, silenceMs: 700 }
    expect(await missedWin(module.etcd(options), () => proxy.halfOpen(), 'resumed-faulty', 1500)).toBe(true)
    expect(await missedWin(storeAt(proxy.port, options), () => proxy.halfOpen(), 'resumed')).toBe(false)
  })

  test('a connection that is cut loses the watch, clearly, and another can be armed at once', async () => {
    const proxy = await startProxy(server.port)
    begun.push(() => proxy.close())
    const store = storeAt(proxy.port)
    const first = begin(store, 'cut')
    const second = begin(store, 'cut-too')
    await until('they are in place', () => first.nudges === 1 && second.nudges === 1)
    proxy.cut()
    await until('both are lost', () => first.lost !== undefined && second.lost !== undefined)
    expect(first.lost).toMatchObject({ code: 'store-unreachable' })
    const again = begin(store, 'cut')
    await until('a new one is in place', () => again.nudges === 1)
  })

  test('with no server there is no watch, and it says so', async () => {
    const watch = begin(storeAt(1), 'nowhere')
    await until('it is refused', () => watch.lost !== undefined)
    expect(watch.lost).toMatchObject({ code: 'store-unreachable', message: expect.stringContaining('127.0.0.1:1') })
    expect(watch.nudges).toBe(0)
  })

  test('closing the store ends its watches', async () => {
    const store = storeAt(server.port)
    const watch = begin(store, 'closed')
    await until('it is in place', () => watch.nudges === 1)
    await store.close?.()
    await until('it has ended', () => watch.lost !== undefined)
    await expect(store.read('closed', patient())).rejects.toMatchObject({ code: 'store-unreachable' })
  })
})
