/** Sockets as the system has them: clusters, full queues, paths too long. */

import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Actor, endActors } from './actors.ts'
import { Bench, isFree, isOurs, patient, until } from './bench.ts'
import { bundle } from './bundle.ts'
import type { ClusterNews } from './clustered.ts'
import * as subject from './subject.ts'

let dir = ''
let bench: Bench
const ends: (() => unknown)[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenure-sockets-'))
  bench = new Bench(subject, dir)
})
afterEach(async () => {
  for (const end of ends.splice(0)) end()
  await endActors()
  await bench.close()
  await rm(dir, { recursive: true, force: true })
})

/** A primary and its worker, which leads. */
async function cluster(election: string) {
  const script = fileURLToPath(await bundle('clustered'))
  const primary = fork(script, [dir, election], { stdio: 'inherit' })
  ends.push(() => primary.kill('SIGKILL'))
  const [news] = (await once(primary, 'message')) as [ClusterNews]
  if (!('worker' in news)) throw new Error('the worker did not start')
  const kill = (signal: NodeJS.Signals = 'SIGKILL') => {
    try {
      process.kill(news.worker, signal)
    } catch {
      // It has ended already.
    }
  }
  ends.push(kill)
  return { primary, kill }
}

describe('sockets of leaders', () => {
  test('a worker of a cluster owns its socket: it is felt as itself when disconnected, and when its primary is killed', async () => {
    const { primary, kill } = await cluster('e')
    const follower = bench.store()
    const refused = async () => expect(isFree(await follower.read('e', patient))).toBe(false)
    await refused()
    const disconnected = once(primary, 'message')
    primary.send('disconnect')
    await disconnected
    for (let i = 0; i < 10; i++) await refused()
    primary.kill('SIGKILL')
    await once(primary, 'exit')
    for (let i = 0; i < 10; i++) await refused()
    kill()
    await until(async () => isFree(await follower.read('e', patient)), 'the end of the worker to be felt')
  })

  test('a worker that ends with its primary is felt', async () => {
    const { primary } = await cluster('e')
    const follower = bench.store()
    primary.kill('SIGKILL')
    await until(async () => isFree(await follower.read('e', patient)), 'the end of the worker to be felt')
  })

  test('a queue that is full proves nothing', async () => {
    const leader = await Actor.start(dir)
    await leader.call('acquire', bench.bid('e', { ttlMs: 120_000 }))
    const { socket } = await bench.record()
    leader.freeze()
    const sockets: Socket[] = []
    ends.push(() => {
      for (const each of sockets) each.destroy()
    })
    const codes = await Promise.all(
      Array.from({ length: 1200 }, () => {
        const each = connect(bench.path('e', 'live', socket?.name ?? ''))
        sockets.push(each)
        return new Promise<string>((resolve) => {
          each.once('connect', () => resolve('connected'))
          each.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? ''))
        })
      }),
    )
    expect(new Set(codes)).toEqual(new Set(['connected', 'EAGAIN']))
    expect(isFree(await bench.store().read('e', patient))).toBe(false)
  })

  test.skipIf(process.getuid?.() !== 0)(
    'the same directory mounted elsewhere is the same election (needs the rights of root)',
    async () => {
      const [here, elsewhere] = [join(dir, 'here'), join(dir, 'elsewhere')]
      await mkdir(here)
      await mkdir(elsewhere)
      execFileSync('mount', ['--bind', here, elsewhere])
      ends.push(() => execFileSync('umount', ['-l', elsewhere]))
      const leader = await Actor.start(here)
      const bid = bench.bid('e', { ttlMs: 120_000 })
      await leader.call('acquire', bid)
      const store = subject.file({ dir: elsewhere })
      expect((await store.read('e', patient))?.holder).toBe(bid.holder)
      await leader.kill().ended
      expect(isFree(await store.read('e', patient))).toBe(true)
    },
  )

  test('a copy of the directory is another election, whose leader proves nothing', async () => {
    const leader = await Actor.start(join(dir, 'original'))
    const bid = bench.bid('e', { ttlMs: 120_000 })
    await leader.call('acquire', bid)
    execFileSync('cp', ['-a', join(dir, 'original'), join(dir, 'copy')])
    await leader.kill().ended
    expect((await subject.file({ dir: join(dir, 'copy') }).read('e', patient))?.holder).toBe(bid.holder)
    expect(isFree(await subject.file({ dir: join(dir, 'original') }).read('e', patient))).toBe(true)
  })

  test('directories whose path does not fit into the address of a socket are felt all the same', async () => {
    const deep = join(dir, 'd'.repeat(120), 'ü'.repeat(60))
    const leader = await Actor.start(deep)
    const bid = bench.bid('e', { ttlMs: 120_000 })
    await leader.call('acquire', bid)
    const store = subject.file({ dir: deep })
    expect((await store.read('e', patient))?.holder).toBe(bid.holder)
    await leader.kill().ended
    expect(isFree(await store.read('e', patient))).toBe(true)
    const next = bench.bid('e')
    expect(isOurs(await store.acquire(next, patient), next)).toBe(true)
    await store.release(next, patient)
    // One is left by whoever was killed; nobody else removes it.
    expect(await readdir(join(deep, subject.directoryNameOf('e'), 'live'))).toHaveLength(1)
  })
})
