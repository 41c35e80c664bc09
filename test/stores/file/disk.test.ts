/** Disks, directories and users that are not as they should be. */

import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { directoryNameOf, homeOf } from '../../../src/stores/file/place.ts'
import { defaultDirectory, file, filesystemOf } from '../../../src/stores/file.ts'
import { kindIn } from '../../../src/stores/shared/filesystem.ts'
import { Actor, endActors } from './actors.ts'
import { Bench, isFree, isOurs, patient } from './bench.ts'
import * as subject from './subject.ts'

const root = process.getuid?.() === 0
const needsRoot = 'needs the rights of root'

let dir = ''
let bench: Bench
const mounts: string[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenure-disk-'))
  bench = new Bench(subject, dir)
})
afterEach(async () => {
  await endActors()
  for (const mount of mounts.splice(0)) execFileSync('umount', ['-l', mount])
  await bench.close()
  await rm(dir, { recursive: true, force: true })
})

async function mounted(options: string): Promise<string> {
  const point = join(dir, 'mount')
  await mkdir(point)
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', point])
  mounts.push(point)
  return point
}

describe('a bad disk', () => {
  test.skipIf(!root)(`a full one: said in plain words, nobody leads twice, and it goes on when there is space (${needsRoot})`, async () => {
    const point = await mounted('size=1m')
    const leader = file({ dir: point })
    const follower = file({ dir: point })
    const bid = bench.bid('e', { ttlMs: 60_000 })
    expect(isOurs(await leader.acquire(bid, patient), bid)).toBe(true)
    const ballast = join(point, 'ballast')
    await writeFile(ballast, Buffer.alloc(2_000_000)).catch(({ code }) => expect(code).toBe('ENOSPC'))
    const full = { code: 'store-unreachable', message: expect.stringMatching(/disk is full.*ENOSPC/) }
    await expect(leader.renew(bid, patient)).rejects.toMatchObject(full)
    await expect(follower.acquire(bench.bid('f'), patient)).rejects.toMatchObject(full)
    expect((await follower.read('e', patient))?.holder).toBe(bid.holder)
    await expect(leader.release(bid, patient)).rejects.toMatchObject(full)
    // It could not be written that nobody leads, but the socket says it.
    expect(isFree(await follower.read('e', patient))).toBe(true)
    await rm(ballast)
    const next = bench.bid('e', { ttlMs: 60_000 })
    expect(isOurs(await follower.acquire(next, patient), next)).toBe(true)
    expect(await leader.renew(bid, patient)).toBe(0)
    await follower.release(next, patient)
  })

  test.skipIf(!root)(`one that becomes full and empty again costs the leader nothing in between (${needsRoot})`, async () => {
    const point = await mounted('size=1m')
    const leader = file({ dir: point })
    const bid = bench.bid('e', { ttlMs: 60_000 })
    await leader.acquire(bid, patient)
    const ballast = join(point, 'ballast')
    await writeFile(ballast, Buffer.alloc(2_000_000)).catch(({ code }) => expect(code).toBe('ENOSPC'))
    await expect(leader.renew(bid, patient)).rejects.toMatchObject({ code: 'store-unreachable' })
    await rm(ballast)
    expect(await leader.renew(bid, patient)).toBe(60_000)
    await leader.release(bid, patient)
  })

  test.skipIf(!root)(`one that is mounted read-only is unfit (${needsRoot})`, async () => {
    const point = await mounted('size=1m')
    execFileSync('mount', ['-o', 'remount,ro', point])
    await expect(file({ dir: point }).acquire(bench.bid(), patient)).rejects.toMatchObject({
      code: 'store-unfit',
      message: expect.stringContaining(point),
    })
  })

  test.each(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])('one without hard links (%s) is unfit', async (code) => {
    const link = async () => {
      throw Object.assign(new Error(code), { code })
    }
    const answer = bench.store({ disk: { link } }).acquire(bench.bid(), patient)
    await expect(answer).rejects.toMatchObject({ code: 'store-unfit', message: expect.stringContaining('hard links') })
  })

  test('one on the network is refused, for bids and for looks', async () => {
    const store = bench.store({ filesystem: { kind: 'nfs', network: true } })
    const unfit = { code: 'store-unfit', message: expect.stringMatching(/network filesystem.*nfs.*Name a directory on a local disk/) }
    await expect(store.acquire(bench.bid(), patient)).rejects.toMatchObject(unfit)
    await expect(store.read('e', patient)).rejects.toMatchObject(unfit)
  })

  test.skipIf(!root)(`one that this user may not use is denied, never superseded (${needsRoot})`, async () => {
    const leader = file({ dir })
    const bid = bench.bid('e', { ttlMs: 200 })
    await leader.acquire(bid, patient)
    // Others may enter, and that is all.
    await chmod(dir, 0o755)
    const stranger = await Actor.start(dir, { uid: 65534, gid: 65534 })
    for (let i = 0; i < 3; i++) {
      const denied = { code: 'store-denied', message: expect.stringMatching(new RegExp(`${dir}.*EACCES`)) }
      await expect(stranger.call('acquire', bench.bid('e'))).rejects.toMatchObject(denied)
      await expect(stranger.call('acquire', bench.bid('f'))).rejects.toMatchObject(denied)
      await expect(stranger.call('read', 'e')).rejects.toMatchObject(denied)
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    await leader.release(bid, patient)
  })

  test('one where a file is in the way is unfit', async () => {
    const taken = join(dir, 'taken')
    await writeFile(taken, '')
    for (const path of [taken, join(taken, 'below')]) {
      await expect(file({ dir: path }).acquire(bench.bid(), patient)).rejects.toMatchObject({ code: 'store-unfit' })
    }
  })

  test('a record that this user may not read is denied; other errors are told as they are', async () => {
    for (const [code, expected] of [
      ['EACCES', 'store-denied'],
      ['EIO', 'store-unreachable'],
      ['EMFILE', 'store-unreachable'],
      ['EWHATEVER', 'store-unreachable'],
    ] as const) {
      const read = async () => {
        throw Object.assign(new Error(`${code}: something`), { code })
      }
      await bench.store().acquire(bench.bid(code), patient)
      await expect(bench.store({ disk: { read } }).acquire(bench.bid(code), patient)).rejects.toMatchObject({ code: expected })
    }
  })
})

describe('where leases are', () => {
  test('the default directory is below the home of the user database, whatever the environment says', async () => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: dir, XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir, TMPDIR: dir }
    const script = `import('node:os').then(({ userInfo }) => console.log(userInfo().homedir))`
    const home = execFileSync(process.execPath, ['-e', script], { env, encoding: 'utf8' }).trim()
    expect(home).toBe(userInfo().homedir)
    expect(defaultDirectory().startsWith(home)).toBe(true)
    expect(file().dir).toBe(defaultDirectory())
  })

  test('a user without a home is told to name a directory', () => {
    for (const homedir of ['', '/', 'relative']) {
      expect(() => homeOf({ username: 'daemon', homedir })).toThrow(/`daemon` has no home.*file\(\{ dir \}\)/)
    }
  })

  test('options are checked', () => {
    for (const [options, message] of [
      [{ dir: 'relative' }, 'Expected `dir` to be an absolute path, got "relative" (string)'],
      [{ dir: 7 }, 'Expected `dir` to be an absolute path, got 7 (number)'],
      [{ clock: {} }, 'Expected `clock` to be an object with the methods'],
      [{ directory: '/x' }, 'Unknown option `directory`: expected one of dir, clock'],
      [null, 'Expected `options` to be an object'],
    ] as const) {
      expect(() => file(options as never)).toThrow(message)
    }
  })

  test('elections have directories that no filesystem takes for one', () => {
    const names = ['a', 'A', 'a/b', 'a:b', 'a b', '..', '.', '/', 'é', 'e\u0301', 'ü'.repeat(200), 'x'.repeat(200), `${'x'.repeat(199)}y`]
    const directories = names.map(directoryNameOf)
    expect(new Set(directories.map((name) => name.toLowerCase())).size).toBe(names.length)
    for (const name of directories) {
      expect(name).toMatch(/^[A-Za-z0-9_.-]+$/)
      expect(Buffer.byteLength(name)).toBeLessThan(50)
    }
    expect(directoryNameOf('nightly-report')).toMatch(/^nightly-report\./)
  })

  test('directories and files are for their user alone', async () => {
    const store = file({ dir: join(dir, 'new') })
    const bid = bench.bid()
    await store.acquire(bid, patient)
    const out = execFileSync('find', [join(dir, 'new'), '-perm', '/077', '!', '-type', 's'], { encoding: 'utf8' })
    expect(out).toBe('')
    await store.release(bid, patient)
  })

  test('list names elections, and is not kept from it by what is none', async () => {
    const store = file({ dir })
    await writeFile(join(dir, 'stray'), 'x')
    await mkdir(join(dir, 'empty'))
    await mkdir(join(dir, 'foreign'))
    await writeFile(join(dir, 'foreign', 'origin'), '{}')
    const bids = ['one', 'two/2'].map((election) => bench.bid(election))
    for (const bid of bids) await store.acquire(bid, patient)
    expect([...((await store.list?.(patient)) ?? [])].sort()).toEqual(['one', 'two/2'])
    for (const bid of bids) await store.release(bid, patient)
    expect(await file({ dir: join(dir, 'missing') }).list?.(patient)).toEqual([])
  })

  test('looking at an election makes no directory', async () => {
    const store = file({ dir: join(dir, 'nothing') })
    expect(await store.read('e', patient)).toBeUndefined()
    await store.release({ election: 'e', holder: 'h' }, patient)
    expect(await store.renew(bench.bid(), patient)).toBe(0)
    await expect(readFile(join(dir, 'nothing'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('filesystems', () => {
  test.skipIf(process.platform !== 'linux')('this one is known and local', async () => {
    expect((await filesystemOf(tmpdir())).network).toBe(false)
    expect(await filesystemOf('/proc')).toEqual({ kind: 'proc', network: false })
    await expect(filesystemOf(join(dir, 'missing'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('the table of mounts is read as it is written', () => {
    const table = [
      '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
      '30 22 0:40 / /mnt/far\\040away rw shared:5 - fuse.sshfs me@there: rw',
      '31 22 0:41 / /mnt rw - tmpfs tmpfs rw',
      '32 31 0:42 / /mnt rw - xfs /dev/vdb rw',
      '',
    ].join('\n')
    expect(kindIn(table, '/var/lib')).toBe('ext4')
    expect(kindIn(table, '/mnt/far away/x')).toBe('fuse.sshfs')
    expect(kindIn(table, '/mnt/far')).toBe('xfs')
    expect(kindIn(table, '/mntx')).toBe('ext4')
    expect(kindIn('', '/')).toBeUndefined()
  })
})
