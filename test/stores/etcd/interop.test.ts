import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { laws, openLab } from '../../../src/testing/index.ts'
import { currentRun } from '../../harness/run.ts'
import { findServer, type Server, startEtcd } from '../../harness/servers.ts'
import { ask, bidFor, keysOf, patient, storeAt, until, winsInTime } from './lab.ts'

const LONG = 60_000
const root = fileURLToPath(new URL('../../..', import.meta.url))
const goFolder = fileURLToPath(new URL('./go', import.meta.url))

describe.skipIf(!findServer('etcd'))('elections shared with others', () => {
  let server: Server
  const others: ChildProcess[] = []
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterEach(async () => {
    for (const other of others.splice(0)) await ended(other)
  })
  afterAll(() => server?.close())
  const store = () => storeAt(server.port, { interop: true })

  /** Somebody else's candidate: what it prints, and its end. */
  function run(bin: string, args: readonly string[]) {
    const process = spawn(bin, args, { stdio: ['pipe', 'pipe', 'ignore'] })
    others.push(process)
    const lines: string[] = []
    createInterface({ input: process.stdout }).on('line', (line) => lines.push(line))
    return { process, lines }
  }

  async function ended(process: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (process.exitCode !== null || process.signalCode !== null) return
    const gone = new Promise((resolve) => process.once('exit', resolve))
    process.kill(signal)
    await gone
  }

  const elect = (election: string, value: string) => run('etcdctl', ['--endpoints', `127.0.0.1:${server.port}`, 'elect', election, value])

  describe.skipIf(!hasEtcdctl())('with etcdctl elect', () => {
    test('it leads: we follow, know its name, and lead when it resigns', async () => {
      const { process, lines } = elect('ctl-first', 'them')
      await until('it leads', () => lines.includes('them'))
      const us = store()
      const lease = await us.acquire(bidFor('ctl-first', { ttlMs: LONG }), patient())
      expect(lease).toMatchObject({ candidate: 'them' })
      expect(lease?.remainingMs).toBeGreaterThan(0)
      expect(await us.read('ctl-first', patient())).toMatchObject({ candidate: 'them', fencingToken: lease?.fencingToken })
      await ended(process, 'SIGINT')
      const won = await winsInTime(us, 'ctl-first', { ttlMs: LONG })
      expect(won.token).toBeGreaterThan(lease?.fencingToken ?? 0)
      await us.release(won, patient())
    })

    test('we lead: it queues behind us, sees our name, and leads the moment we release', async () => {
      const us = store()
      const bid = bidFor('ctl-second', { ttlMs: LONG, candidate: 'us' })
      await us.acquire(bid, patient())
      const listener = run('etcdctl', ['--endpoints', `127.0.0.1:${server.port}`, 'elect', '--listen', 'ctl-second'])
      await until('others see us lead', () => listener.lines.includes('us'))
      const { lines } = elect('ctl-second', 'them')
      await until('it queues', async () => (await keysOf(server.port, 'ctl-second/')).length === 2)
      expect(await us.renew(bid, patient())).toBe(LONG)
      expect(await us.read('ctl-second', patient())).toMatchObject({ holder: bid.holder })
      expect(lines).toEqual([])
      expect(
        us.fenced({ election: 'ctl-second', fencingToken: (await keysOf(server.port, 'ctl-second/'))[0]?.revision ?? 0 }),
      ).toHaveLength(1)
      await us.release(bid, patient())
      await until('it leads', () => lines.includes('them'))
      expect(await us.acquire(bidFor('ctl-second'), patient())).toMatchObject({ candidate: 'them' })
    })
  })

  describe.skipIf(!hasGo())('with Go, concurrency.Election', () => {
    let campaigner: string | undefined
    beforeAll(async () => {
      campaigner = await buildGo()
    }, 360_000)
    beforeEach(({ skip }) => {
      if (!campaigner) skip('the modules of etcd’s Go client cannot be had here')
    })
    const campaign = (election: string, value: string) => run(campaigner ?? '', [`127.0.0.1:${server.port}`, election, value])

    test('it leads: we follow, and lead when it resigns', async () => {
      const { process, lines } = campaign('go-first', 'them')
      await until('it leads', () => lines.some((line) => line.startsWith('elected')))
      const us = store()
      const token = Number(lines.find((line) => line.startsWith('elected'))?.split(' ')[1])
      expect(await us.acquire(bidFor('go-first'), patient())).toMatchObject({ candidate: 'them', fencingToken: token })
      process.stdin?.write('resign\n')
      const won = await winsInTime(us, 'go-first', { ttlMs: LONG })
      expect(won.token).toBeGreaterThan(token)
      await us.release(won, patient())
    })

    test('we lead: it observes us, queues, and leads when we release; killed, we lead after its ttl', async () => {
      const us = store()
      const bid = bidFor('go-second', { ttlMs: LONG, candidate: 'us' })
      const lease = await us.acquire(bid, patient())
      const { process, lines } = campaign('go-second', 'them')
      await until('it sees us lead', () => lines.includes(`leader us ${lease?.fencingToken}`))
      await until('it queues', async () => (await keysOf(server.port, 'go-second/')).length === 2)
      expect(await us.renew(bid, patient())).toBe(LONG)
      await us.release(bid, patient())
      await until('it leads', () => lines.some((line) => line.startsWith('elected')))
      await ended(process)
      const won = await winsInTime(us, 'go-second', { ttlMs: LONG })
      await us.release(won, patient())
    })
  })

  test('planted by hand as Go does: a key named by the lease, in the bare name', async () => {
    const { ID } = await ask<{ ID: string }>(server.port, '/v3/lease/grant', { TTL: '60' })
    const key = `by-hand/${BigInt(ID).toString(16)}`
    const encoded = Buffer.from(key).toString('base64')
    await ask(server.port, '/v3/kv/put', { key: encoded, value: Buffer.from('gopher').toString('base64'), lease: ID })
    const us = store()
    expect(await us.read('by-hand', patient())).toMatchObject({ candidate: 'gopher', holder: BigInt(ID).toString(16) })
    expect(await us.acquire(bidFor('by-hand'), patient())).toMatchObject({ candidate: 'gopher' })
    // A store that does not share sees nothing of it.
    expect(await storeAt(server.port).read('by-hand', patient())).toBeUndefined()
  })

  test('names with a slash are refused, for good', async () => {
    const outcome = store().acquire(bidFor('a/b'), patient())
    await expect(outcome).rejects.toMatchObject({ code: 'store-unfit', message: expect.stringContaining('slash') })
  })

  test('a prefix of their own comes before the name; bare names are not listed', async () => {
    const us = storeAt(server.port, { interop: true, prefix: '/services' })
    const bid = bidFor('api', { ttlMs: LONG })
    await us.acquire(bid, patient())
    expect((await keysOf(server.port, '/services/api/')).map(({ value }) => value)).toEqual([bid.candidate])
    expect(await us.list?.(patient())).toEqual(['api'])
    expect(store().list).toBeUndefined()
    await us.release(bid, patient())
  })

  test.each([
    'a live lease is never given to another holder',
    'names that look alike are different elections',
    'awkward names work, or are refused clearly',
    'candidate and advert survive the round trip',
    'a watch changes nothing',
  ])('the law holds here too: %s', async (name) => {
    const law = laws.find((each) => each.name === name)
    const lab = await openLab({ open: store, graceMs: 700 })
    try {
      await law?.check(lab)
    } finally {
      await lab.close()
    }
    expect(law).toBeDefined()
  })
})

function hasEtcdctl(): boolean {
  return runs('etcdctl', 'version')
}

function hasGo(): boolean {
  return runs('go', 'version')
}

function runs(bin: string, ...args: string[]): boolean {
  try {
    execFileSync(bin, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The small Go program of this folder, built once on a host; `undefined` where its modules cannot be had. */
async function buildGo(): Promise<string | undefined> {
  const hash = createHash('sha256')
  for (const file of ['main.go', 'go.mod', 'go.sum']) hash.update(readFileSync(join(goFolder, file)))
  const kept = join(root, '.tmp')
  const bin = join(kept, `campaign-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(bin)) return bin
  mkdirSync(kept, { recursive: true })
  const made = join(currentRun().project, `campaign-${process.pid}`)
  try {
    await promisify(execFile)('go', ['build', '-o', made, '.'], { cwd: goFolder, timeout: 340_000 })
    renameSync(made, bin)
    return bin
  } catch {
    return undefined
  }
}
