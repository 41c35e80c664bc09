/** A10: what can come of standing, each its own outcome; and what is never said. */

import { afterEach, describe, expect, test } from 'vitest'
import { Candidate, type CandidateOptions } from '../../../src/index.ts'
import type { LeaseStore } from '../../../src/store.ts'
import { startProxy, type TcpProxy } from '../../harness/proxy.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, clientAt, fresh, holder, holders, storeOf } from './bench.ts'

/** No call is given up, however busy the host: where no trouble may be told. */
const patient = { ttlMs: 60_000, renewMs: 10_000, callMs: 10_000, retryMs: 12_000 }

describe.skipIf(!available)('A10: each its own outcome', { timeout: 120_000 }, () => {
  const bench = Bench.use()
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    // Their locks are counted.
    await bench.disconnected()
  })

  function stand(store: LeaseStore, options: Partial<CandidateOptions> = {}) {
    const candidate = new Candidate({ store, election: fresh(), ...options })
    const said: string[] = []
    candidate.on('elected', () => void said.push('elected'))
    candidate.on('deposed', (_, why) => void said.push(why))
    candidate.on('trouble', ({ code }) => void said.push(code))
    candidates.push(candidate)
    return { candidate, said }
  }

  /** What is said after it was elected, once it is: the first attempt may be late, and told as trouble. */
  async function sinceElected(said: readonly string[]): Promise<() => string[]> {
    await until('it is elected', () => said.includes('elected'))
    const first = said.indexOf('elected')
    expect(said.slice(0, first).filter((what) => what !== 'store-unreachable')).toEqual([])
    return () => said.slice(first + 1)
  }

  async function through(): Promise<TcpProxy> {
    const proxy = await startProxy(bench.server.port)
    bench.ends(() => proxy.close())
    return proxy
  }

  test('the lock is held by another: neither the start nor the end of a tenure is told, and no error', async () => {
    const service = await clientAt(bench.server.port)
    await service.query('SELECT pg_advisory_lock(4711)')
    const { candidate, said } = stand(storeOf(bench, undefined, { key: 4711n }), patient)
    await candidate.start()
    expect(candidate.isLeader).toBe(false)
    await candidate.stop()
    expect(said).toEqual([])
    await service.end()
  })

  test('the connection is refused: it is told, start() resolves, and it leads when there is one', async () => {
    const proxy = await through()
    proxy.refuse()
    const { candidate, said } = stand(storeOf(bench, proxy.port))
    await candidate.start()
    expect(said).toEqual(['store-unreachable'])
    proxy.resume()
    await until('it leads', () => candidate.isLeader)
    expect(said.at(-1)).toBe('elected')
  })

  test('the query of the lock fails: start() rejects, nobody stands, nothing is left locked', async () => {
    await bench.admin.query('CREATE DATABASE empty')
    const { candidate, said } = stand(storeOf(bench, undefined, {}, { database: 'empty' }))
    await expect(candidate.start()).rejects.toMatchObject({ code: 'store-unfit' })
    expect(said).toEqual([])
    expect(await holders(bench)).toEqual([])
  })

  test('the first heartbeat fails: elected, then an end with its reason', async () => {
    const { candidate, said } = stand(storeOf(bench))
    await candidate.start()
    const told = await sinceElected(said)
    await bench.admin.query('SELECT pg_terminate_backend($1)', [await holder(bench)])
    await until('it has ended', () => told().includes('superseded'))
    expect(told()).not.toContain('expired')
  })

  test('the first heartbeat is not answered: elected, trouble, and an end by its deadline', async () => {
    const proxy = await through()
    const { candidate, said } = stand(storeOf(bench, proxy.port), { ttlMs: 4000, renewMs: 500 })
    await candidate.start()
    const told = await sinceElected(said)
    proxy.stall()
    await until('it has ended', () => told().includes('expired'))
    expect(told()[0]).toBe('store-unreachable')
    proxy.resume()
  })

  test('the signal is aborted: nothing is told but the end of what had begun, and the lock is free', async () => {
    const early = stand(storeOf(bench), { ...patient, signal: AbortSignal.abort() })
    await early.candidate.start()
    expect(early.said).toEqual([])
    const controller = new AbortController()
    const late = stand(storeOf(bench), { ...patient, signal: controller.signal })
    await late.candidate.start()
    const stopped = new Promise<void>((resolve) => late.candidate.on('stopped', resolve))
    controller.abort()
    await stopped
    expect(late.said).toEqual(['elected', 'stopped'])
    expect(await holders(bench)).toEqual([])
  })
})
