/** One instance in a process of its own: tells its parent what happens to it, and does what it is told. */

import cluster from 'node:cluster'
import { join } from 'node:path'
import { Failover, IpcRelay, ipcBus, unixSocketBus } from '../../../src/failover.ts'
import { file } from '../../../src/stores/file.ts'

export type Report =
  | { readonly type: 'joined' | 'stopped' }
  | { readonly type: 'role'; readonly role: string; readonly reason: string; readonly fencingToken: number }
  | { readonly type: 'heartbeat'; readonly from: string }
  | { readonly type: 'suspect'; readonly reason: string; readonly primary: string | undefined }
  | { readonly type: 'trouble'; readonly code: string; readonly message: string }

export type Cue = 'stop' | 'yield'

export interface Part {
  readonly id: string
  readonly dir: string
  readonly bus: 'unix' | 'ipc'
  readonly ttlMs: number
  /** The arbiter tells it nothing: whatever it does at once comes of the bus. */
  readonly deaf?: boolean
  readonly heartbeatMs?: number
}

const part = JSON.parse(process.env['TENURE_TEST_PART'] ?? '{}') as Part & { readonly workers?: number }

// As a program does that uses the channel for itself.
const tell = (report: Report | { readonly worker: string; readonly pid: number | undefined; readonly report: Report }) =>
  process.send?.(report)

if (part.workers && cluster.isPrimary) {
  const relay = new IpcRelay()
  relay.addCluster(cluster)
  for (let i = 0; i < part.workers; i++) {
    const worker = cluster.fork({ TENURE_TEST_PART: JSON.stringify({ ...part, id: `w${i}`, workers: undefined }) })
    worker.on('message', (report: Report) => {
      if ('type' in report) tell({ worker: `w${i}`, pid: worker.process.pid, report })
    })
  }
} else act()

function act(): void {
  const arbiter = file({ dir: join(part.dir, 'arbiter') })
  const { watch: _watch, ...deaf } = arbiter
  const failover = new Failover({
    election: 'orders',
    id: part.id,
    arbiter: part.deaf ? deaf : arbiter,
    bus: part.bus === 'ipc' ? ipcBus() : unixSocketBus({ path: join(part.dir, 'bus.sock') }),
    heartbeatMs: part.heartbeatMs ?? 100,
    silenceMs: 60_000,
    ttlMs: part.ttlMs,
    onPromote() {},
    onDemote() {},
  })
  failover.on('role', (role, { reason, fencingToken }) => tell({ type: 'role', role, reason, fencingToken }))
  failover.on('heartbeat', ({ from }) => tell({ type: 'heartbeat', from }))
  failover.on('suspect', ({ reason, primary }) => tell({ type: 'suspect', reason, primary }))
  failover.on('trouble', ({ code, message }) => tell({ type: 'trouble', code, message }))
  process.on('message', (cue: unknown) => {
    if (cue === 'stop') void failover.stop().then(() => tell({ type: 'stopped' }))
    if (cue === 'yield') void failover.stepDown({ cooldownMs: 3_600_000 })
  })
  // Ready when the arbiter has been asked, so that the first to be started is primary, and it is heard.
  void failover.start().then(() => {
    const look = setInterval(() => {
      if (!failover.status().bus.joined || failover.status().phase === 'promoting') return
      clearInterval(look)
      tell({ type: 'joined' })
    }, 10)
  })
}
