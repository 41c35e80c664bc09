import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Failover, IpcRelay } from '../../../src/failover.ts'
import { file } from '../../../src/stores/file.ts'
import { until } from '../../harness/server.ts'
import { Stage } from './stage.ts'

let stage: Stage
afterEach(() => stage.close())

describe('a Unix socket', () => {
  beforeEach(() => {
    stage = new Stage()
  })

  test('survives the death of who listens: the others go on, and a new one is heard', async () => {
    // Two heartbeats that are lost while a new one begins to listen are trouble.
    stage = new Stage({ heartbeatMs: 1000 })
    const a = await stage.add('a')
    const b = await stage.add('b')
    const c = await stage.add('c')
    expect(a.isPrimary).toBe(true)
    await c.hears(a)
    // It listens, for it was the first.
    await a.kill()
    const next = await stage.primary([b, c])
    await (next === b ? c : b).hears(next)
    const d = await stage.add('d')
    await d.hears(next)
    await next.kill()
    const last = await stage.primary([b, c, d].filter((one) => one !== next))
    for (const one of [b, c, d]) if (one !== next && one !== last) await one.hears(last)
    // An end of a listener is nothing that anybody has to be told of.
    for (const one of stage.actors) expect(one.reports.filter(({ type }) => type === 'trouble')).toEqual([])
  })

  test('the end of a primary is suspected because its channel was closed, whoever listened', async () => {
    const listener = await stage.add('listener')
    const b = await stage.add('b', { deaf: true })
    const c = await stage.add('c', { deaf: true })
    await b.hears(listener)
    await c.hears(listener)
    await listener.kill()
    await b.saw((report) => report.type === 'suspect' && report.reason === 'closed' && report.primary === 'listener')
    const primary = await stage.primary([b, c])
    const other = primary === b ? c : b
    await other.hears(primary)
    await primary.kill()
    await other.saw((report) => report.type === 'suspect' && report.reason === 'closed' && report.primary === primary.id)
  })

  test('a frozen listener is left by the others, and comes to them when it is thawed', { timeout: 90_000 }, async () => {
    const listener = await stage.add('listener')
    const b = await stage.add('b')
    const c = await stage.add('c')
    // It goes on to listen, as a secondary: what is frozen is the bus alone.
    listener.process.send('yield')
    const primary = await stage.primary([b, c])
    const other = primary === b ? c : b
    await other.hears(primary)
    await listener.hears(primary)
    listener.process.kill('SIGSTOP')
    for (const one of stage.actors) one.forget()
    await primary.saw((report) => report.type === 'trouble' && report.code === 'bus-unreachable')
    await other.hears(primary)
    expect(primary.lastRole()).toBe('primary')
    listener.process.kill('SIGCONT')
    await listener.hears(primary)
    await other.hears(primary)
  })

  test('a graceful shutdown is announced, and the next one heard', async () => {
    const a = await stage.add('a')
    const b = await stage.add('b', { deaf: true })
    const c = await stage.add('c', { deaf: true })
    await b.hears(a)
    await c.hears(a)
    a.process.send('stop')
    const next = await stage.primary([b, c])
    await next.saw((report) => report.type === 'suspect' && report.reason === 'announced')
    await (next === b ? c : b).hears(next)
  })
})

describe('IPC', () => {
  let relay: IpcRelay
  beforeEach(() => {
    relay = new IpcRelay()
    stage = new Stage({ relay })
  })

  test('children are heard through their parent, and the end of one is told', async () => {
    const a = await stage.add('a')
    const b = await stage.add('b', { deaf: true })
    const c = await stage.add('c', { deaf: true })
    await b.hears(a)
    await c.hears(a)
    await a.kill()
    await b.saw((report) => report.type === 'suspect' && report.reason === 'closed' && report.primary === 'a')
    const next = await stage.primary([b, c])
    await (next === b ? c : b).hears(next)
  })

  test('the parent may take part itself', async () => {
    const a = await stage.add('a')
    const parent = new Failover({
      election: 'orders',
      id: 'parent',
      arbiter: file({ dir: `${stage.dir}/arbiter` }),
      bus: relay.bus,
      heartbeatMs: 100,
      ttlMs: 60_000,
      onPromote() {},
      onDemote() {},
    })
    const suspected: string[] = []
    parent.on('suspect', ({ reason }) => suspected.push(reason))
    try {
      await parent.start()
      await until('a is heard', () => parent.lastHeartbeat?.from === 'a')
      await a.kill()
      await until('the parent is primary', () => parent.role === 'primary')
      expect(suspected).toEqual(['closed'])
      const b = await stage.add('b', { deaf: true })
      await b.saw((report) => report.type === 'heartbeat' && report.from === 'parent')
      await parent.stop()
      await b.saw((report) => report.type === 'suspect' && report.reason === 'announced')
    } finally {
      await parent.stop()
    }
  })

  test('a child whose channel is closed is told so, and keeps its role', async () => {
    const a = await stage.add('a')
    const detach = relay.add(a.process)
    const b = await stage.add('b')
    await b.hears(a)
    detach()
    await b.saw((report) => report.type === 'suspect' && report.reason === 'closed')
    // The arbiter knows better.
    expect(b.isPrimary).toBe(false)
    relay.add(a.process)
    await b.hears(a)
  })

  test('workers of a cluster', async () => {
    stage = new Stage()
    const cluster = await stage.add('cluster', { workers: 2, deaf: true })
    const role = (worker: string) => cluster.reports.findLast((report) => report.type === 'role' && report.worker === worker)
    await until('a worker is primary', () => role('w0') ?? role('w1') ?? false)
    const [primary, other] = role('w0') ? ['w0', 'w1'] : ['w1', 'w0']
    await cluster.saw((report) => report.type === 'heartbeat' && report.from === primary)
    const pid = role(primary)?.pid
    if (!pid) throw new Error('the worker has no pid')
    process.kill(pid, 'SIGKILL')
    await cluster.saw((report) => report.type === 'suspect' && report.reason === 'closed' && report.primary === primary)
    await until('the other worker is primary', () => role(other) !== undefined)
  })
})
