import { afterEach, describe, expect, test } from 'vitest'
import { Candidate, type CandidateOptions, type LeaseStore, type TenureError } from '../../../src/index.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { inTheAir } from '../../in-the-air.ts'
import { available, Bench, bidFor, calm, fresh, signal } from './bench.ts'

const ttlMs = 8000
/** Where a tenure has to survive: time for a renewal that is given up, for the next one, and for a machine that stalls meanwhile. */
const durable = { ttlMs: 15_000, renewMs: 2600 }

describe.skipIf(!available)('links and servers that fail', () => {
  const bench = Bench.use()
  let proxy: TcpProxy
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    await proxy?.close()
  })

  /** A candidate, and what happened to it. */
  class Watched {
    readonly candidate: Candidate
    readonly said: string[] = []
    readonly troubles: TenureError[] = []
    renewals = 0

    constructor(store: LeaseStore, election: string, options: Partial<CandidateOptions> = {}) {
      this.candidate = new Candidate({ store, election, ttlMs, id: `c${candidates.length}`, ...options })
      candidates.push(this.candidate)
      this.candidate.on('elected', () => void this.said.push('elected'))
      this.candidate.on('deposed', (_, why) => void this.said.push(why))
      this.candidate.on('trouble', (error) => void this.troubles.push(error))
      this.candidate.on('renewed', () => {
        this.renewals += 1
      })
    }

    async leads(): Promise<this> {
      await this.candidate.start()
      await until('it leads', () => this.candidate.isLeader)
      return this
    }

    /** It goes on leading: renewed twice from now, on whatever connection. */
    async stays(): Promise<void> {
      const before = this.renewals
      await until('it was renewed twice', () => this.renewals >= before + 2)
      expect(this.said).toEqual(['elected'])
    }
  }

  async function through(): Promise<LeaseStore> {
    proxy = await startProxy(bench.server.port)
    return bench.store(proxy.port)
  }

  test('a link that is half open costs a connection, not the tenure', async () => {
    const leader = await new Watched(await through(), fresh(), durable).leads()
    proxy.halfOpen()
    await leader.stays()
    expect(leader.troubles.map(({ code }) => code)).toContain('store-unreachable')
  })

  test('a link that is silent under the call of a patient neighbour costs a connection, not the tenure', async () => {
    const store = await through()
    const leader = await new Watched(store, fresh(), durable).leads()
    const patient = bidFor(fresh(), { ttlMs: 600_000 })
    await store.acquire(patient, calm())
    const held = proxy.hold(patient.election)
    const stuck = inTheAir(store.renew(patient, new AbortController().signal))
    await held.caught
    await leader.stays()
    await expect(stuck).rejects.toMatchObject({ code: 'store-unreachable', message: /others cannot wait/ })
    expect(await store.renew(patient, calm())).toBe(patient.ttlMs)
  })

  test('a link that is cut costs a connection, not the tenure', async () => {
    const leader = await new Watched(await through(), fresh(), durable).leads()
    proxy.cut()
    await leader.stays()
  })

  test('a backend that is terminated costs a connection, not the tenure', async () => {
    const leader = await new Watched(await through(), fresh(), durable).leads()
    const { rowCount } = await bench.admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tenure'")
    expect(rowCount).toBeGreaterThan(0)
    await leader.stays()
  })

  test('a backend that is frozen costs a connection, not the tenure', async () => {
    const leader = await new Watched(await through(), fresh(), durable).leads()
    const { rows } = await bench.admin.query<{ pid: number }>("SELECT pid FROM pg_stat_activity WHERE application_name = 'tenure'")
    try {
      signal(rows, 'SIGSTOP')
      await leader.stays()
    } finally {
      signal(rows, 'SIGCONT')
    }
  })

  test('a link that is black-holed ends the tenure before anybody else can lead; stop() is bounded', async () => {
    const election = fresh()
    const a = await new Watched(await through(), election).leads()
    const b = new Watched(bench.store(), election)
    const overlaps: boolean[] = []
    b.candidate.on('elected', () => void overlaps.push(a.candidate.isLeader))
    await b.candidate.start()
    proxy.stall()
    await until('the other leads', () => b.candidate.isLeader)
    expect(overlaps).toEqual([false])
    expect(a.said).toEqual(['elected', 'expired'])
    const before = performance.now()
    await a.candidate.stop()
    expect(performance.now() - before).toBeLessThan(ttlMs * 3)
    proxy.resume()
    await b.stays()
  })

  test('a server that is frozen leaves nobody leading, and a leader again when it thaws', async () => {
    const election = fresh()
    const both = [new Watched(bench.store(), election), new Watched(bench.store(), election)]
    for (const { candidate } of both) await candidate.start()
    await until('one leads', () => both.some(({ candidate }) => candidate.isLeader))
    await bench.frozen(() => until('nobody leads', () => both.every(({ candidate }) => !candidate.isLeader)))
    await until('one leads again', () => both.filter(({ candidate }) => candidate.isLeader).length === 1)
  })

  test('a server that is killed and restarted has a leader again, with a larger token if it is another tenure', async () => {
    const election = fresh()
    const both = [new Watched(bench.store(), election), new Watched(bench.store(), election)]
    for (const { candidate } of both) await candidate.start()
    const leading = () => both.find(({ candidate }) => candidate.isLeader)?.candidate.tenure
    await until('one leads', () => leading() !== undefined)
    const token = leading()?.fencingToken ?? Number.NaN
    await bench.server.kill('SIGKILL')
    await until('they are told', () => both.every(({ troubles }) => troubles.length > 0))
    await bench.server.start()
    await until('one leads', () => leading() !== undefined)
    expect(leading()?.fencingToken).toBeGreaterThanOrEqual(token)
    const leader = both.find(({ candidate }) => candidate.isLeader)
    const renewals = leader?.renewals ?? 0
    await until('its connection is a new one', () => (leader?.renewals ?? 0) > renewals + 1 || leading() === undefined)
  })

  test('the store is away for longer than a ttl: a leader within the back-off, and no connection more than before', async () => {
    const election = fresh()
    const a = await new Watched(await through(), election).leads()
    proxy.refuse()
    proxy.cut()
    await until('it does not lead', () => !a.candidate.isLeader)
    await until('it has tried', () => a.troubles.length >= 4)
    proxy.resume()
    await until('it leads again', () => a.candidate.isLeader, 60_000)
    await until('two connections at most', async () => (await bench.connections()) <= 2)
  })
})
