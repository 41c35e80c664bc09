/**
 * `npm run soak -- --minutes 10`: two hundred candidates in twenty processes on the file store, with processes killed,
 * frozen and asked to leave at random. Judged from what the leaders wrote down themselves: actions in the order of their
 * tokens, and the longest time without one. Bounded in time; ends everything it started.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { judge } from './judge.ts'
import type { Cue, Report } from './process.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    processes: { type: 'string', default: '20' },
    candidates: { type: 'string', default: '10' },
    ttl: { type: 'string', default: '3000' },
    seed: { type: 'string', default: '1' },
  },
})
const minutes = Number(values.minutes)
const ttlMs = Number(values.ttl)
const dir = mkdtempSync(join(tmpdir(), 'tenure-soak-'))
const log = join(dir, 'actions.log')
const bundle = join(dir, 'process.mjs')
const chance = chanceOf(Number(values.seed))
const members: Member[] = []
const faults = { killed: 0, frozen: 0, left: 0 }

class Member {
  readonly name: string
  child: ChildProcess
  leads = false
  costs: Extract<Report, { type: 'cost' }>[] = []
  busy = false

  constructor(name: string) {
    this.name = name
    this.child = this.start()
  }

  start(): ChildProcess {
    this.leads = false
    this.costs = []
    const args = [bundle, join(dir, 'store'), log, this.name, String(ttlMs), values.candidates]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.on('message', (report: Report) => {
      if (report.type === 'leads') this.leads = report.leads
      if (report.type === 'cost') this.costs.push(report)
    })
    child.on('error', () => {})
    this.child = child
    return child
  }

  told(type: Report['type']): Promise<void> {
    return new Promise((resolve) => {
      const listener = (report: Report) => {
        if (report.type !== type) return
        this.child.off('message', listener)
        resolve()
      }
      this.child.on('message', listener)
    })
  }

  cue(cue: Cue): void {
    if (this.child.connected) this.child.send(cue, () => {})
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.kill('SIGKILL')
    await ended
  }
}

try {
  await build({
    entryPoints: [new URL('../bench/soak/process.ts', import.meta.url).pathname],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    outfile: bundle,
    logLevel: 'error',
  })
  writeFileSync(log, '')
  for (let i = 0; i < Number(values.processes); i++) members.push(new Member(`process-${i}`))
  await Promise.all(members.map((member) => member.told('ready')))
  console.log(
    `${members.length} processes with ${values.candidates} candidates each, ttl ${ttlMs} ms, ${minutes} minutes, seed ${values.seed}`,
  )
  await chaos(performance.now() + minutes * 60_000)
  report()
} finally {
  await Promise.all(members.map((member) => member.kill()))
  rmSync(dir, { recursive: true, force: true })
}

async function chaos(until: number): Promise<void> {
  let nextCost = 0
  let nextLine = performance.now() + 60_000
  while (performance.now() < until) {
    await pause(500 + chance() * 1500)
    if (performance.now() > nextCost) {
      for (const member of members) if (!member.busy) member.cue('cost')
      nextCost = performance.now() + 10_000
    }
    if (performance.now() > nextLine) {
      console.log(`${Math.round((until - performance.now()) / 1000)} s left; ${JSON.stringify(faults)}`)
      nextLine += 60_000
    }
    // Half of the faults strike the leader, where they hurt.
    const idle = members.filter((member) => !member.busy)
    const leader = idle.find((member) => member.leads)
    const victim = leader && chance() < 0.5 ? leader : idle[Math.floor(chance() * idle.length)]
    if (victim) void strike(victim, chance())
  }
  while (members.some((member) => member.busy)) await pause(50)
}

async function strike(victim: Member, die: number): Promise<void> {
  victim.busy = true
  if (die < 0.3) {
    faults.killed++
    await victim.kill()
    const ready = victim.start() && victim.told('ready')
    await ready
  } else if (die < 0.6) {
    faults.frozen++
    victim.child.kill('SIGSTOP')
    await pause(ttlMs * (0.5 + 2.5 * chance()))
    victim.child.kill('SIGCONT')
  } else {
    faults.left++
    victim.cue('leave')
  }
  victim.busy = false
}

function report(): void {
  const verdict = judge(readFileSync(log, 'utf8'))
  console.log(`faults: ${JSON.stringify(faults)}`)
  console.log(
    `actions ${verdict.actions}, tenures ${verdict.tenures}, out of order ${verdict.outOfOrder}, longest time without a leader ${Math.round(verdict.longestGapMs)} ms`,
  )
  for (const member of members) {
    const [first, last] = [member.costs[0], member.costs.at(-1)]
    if (!first || !last || member.costs.length < 6) continue
    console.log(
      `${member.name} over ${member.costs.length} looks: rss ${mb(first.rss)} -> ${mb(last.rss)} MB, heap ${mb(first.heap)} -> ${mb(last.heap)} MB, handles ${first.handles} -> ${last.handles}`,
    )
  }
  if (verdict.outOfOrder > 0) process.exitCode = 1
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function chanceOf(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
