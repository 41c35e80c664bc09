/**
 * One process of the soak: ten candidates of one election on the file store. Whichever leads acts every few milliseconds
 * and writes down when it asked and with which token. Reports what it costs when it is asked.
 */

import { appendFileSync, openSync } from 'node:fs'
import { Candidate } from '../../src/index.ts'
import { file } from '../../src/stores/file.ts'

export type Cue = 'cost' | 'leave' | 'end'
export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'leads'; readonly leads: boolean }
  | { readonly type: 'cost'; readonly rss: number; readonly heap: number; readonly handles: number; readonly calls: number }
  | { readonly type: 'ended' }

const [dir = '', log = '', name = '', ttl = '', count = ''] = process.argv.slice(2)
const out = openSync(log, 'a')
const now = () => Number(process.hrtime.bigint()) / 1e6
const say = (report: Report) => process.send?.(report)

const store = file({ dir })
const all = Array.from(
  { length: Number(count) },
  (_, i) => new Candidate({ election: 'soak', id: `${name}-${i}`, store, ttlMs: Number(ttl) }),
)
for (const candidate of all) {
  candidate.on('elected', () => say({ type: 'leads', leads: true }))
  candidate.on('deposed', () => say({ type: 'leads', leads: false }))
  candidate.on('trouble', () => {})
}

const acting = setInterval(() => {
  for (const candidate of all) {
    const from = now()
    const tenure = candidate.isLeader ? candidate.tenure : undefined
    if (tenure) appendFileSync(out, `${from} ${now()} ${tenure.fencingToken} ${candidate.id}\n`)
  }
}, 5)

process.on('message', (cue: Cue) => {
  if (cue === 'cost') {
    const { rss, heapUsed } = process.memoryUsage()
    say({ type: 'cost', rss, heap: heapUsed, handles: process.getActiveResourcesInfo().length, calls: 0 })
  }
  // The candidate that leads leaves, and comes back.
  if (cue === 'leave') {
    const leader = all.find((candidate) => candidate.isLeader)
    void leader?.stop().then(() => leader.start())
  }
  if (cue === 'end') {
    void Promise.all(all.map((candidate) => candidate.stop())).then(() => {
      clearInterval(acting)
      say({ type: 'ended' })
      process.disconnect()
    })
  }
})
process.on('disconnect', () => process.exit())
await Promise.all(all.map((candidate) => candidate.start()))
say({ type: 'ready' })
