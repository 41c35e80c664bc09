/**
 * One process of a scenario: a candidate on any store that, whenever it finds itself leading, writes down when it
 * asked and what it was told. It can be told to lose its link to the store, and to block its event loop.
 */

import { appendFileSync, openSync } from 'node:fs'
import { connect } from '../../src/cli/connect.ts'
import { Candidate } from '../../src/index.ts'
import { flaky } from '../../src/testing/index.ts'

export type Cue =
  | { readonly do: 'stall' }
  | { readonly do: 'heal' }
  | { readonly do: 'block'; readonly ms: number }
  | { readonly do: 'stop' }
export type Report =
  | { readonly type: 'elected'; readonly fencingToken: number; readonly at: number }
  | { readonly type: 'deposed'; readonly fencingToken: number; readonly at: number }
  /** It has acted for the first time in this tenure. */
  | { readonly type: 'acted'; readonly fencingToken: number }
  /** What the first statement after the event loop was blocked has read, and whether it led before. */
  | { readonly type: 'unblocked'; readonly led: boolean; readonly isLeader: boolean; readonly aborted: boolean | undefined }
  | { readonly type: 'stopped'; readonly tookMs: number }

const [url = '', log = '', id = '', ttl = ''] = process.argv.slice(2)
const out = openSync(log, 'a')
const now = () => Number(process.hrtime.bigint()) / 1e6
const say = (report: Report) => process.send?.(report)

const connected = await connect(url)
const store = flaky(connected.store)
const candidate = new Candidate({ election: 'scenario', id, store, ttlMs: Number(ttl) })
candidate.on('elected', ({ fencingToken }) => say({ type: 'elected', fencingToken, at: now() }))
candidate.on('deposed', ({ fencingToken }) => say({ type: 'deposed', fencingToken, at: now() }))
candidate.on('trouble', () => {})

/** One action as leader: asked between `from` and `to`. A line is one write, so that lines of two processes never mix. */
function act(): void {
  const from = now()
  const tenure = candidate.isLeader ? candidate.tenure : undefined
  if (!tenure) return
  appendFileSync(out, `${from} ${now()} ${tenure.fencingToken} ${id}\n`)
  if (tenure.fencingToken !== acted) say({ type: 'acted', fencingToken: tenure.fencingToken })
  acted = tenure.fencingToken
}
let acted = 0
const acting = setInterval(act, 2)

process.on('message', (cue: Cue) => {
  if (cue.do === 'stall') store.stall()
  if (cue.do === 'heal') store.heal()
  if (cue.do === 'block') {
    const { tenure, isLeader: led } = candidate
    const until = performance.now() + cue.ms
    while (performance.now() < until);
    const isLeader = candidate.isLeader
    say({ type: 'unblocked', led, isLeader, aborted: tenure?.signal.aborted })
  }
  if (cue.do === 'stop') {
    const from = now()
    void candidate.stop().then(() => {
      clearInterval(acting)
      say({ type: 'stopped', tookMs: now() - from })
      process.disconnect()
    })
  }
})
process.on('disconnect', () => process.exit())
await candidate.start()
