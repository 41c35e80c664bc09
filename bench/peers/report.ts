/** What was seen, as tables, and where it is kept between runs. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, resolve } from 'node:path'
import { findServer } from '../../test/harness/servers.ts'
import { type Elector, electors } from './catalogue.ts'
import type { Seen } from './scenarios.ts'

export interface Result {
  readonly version: string
  /** Absent for who has no link. */
  readonly stall?: Seen
  readonly freeze?: Seen
  readonly kill?: Seen
  readonly handover?: Seen
}

const kept = resolve('.tmp/peers.json')
const page = resolve('docs/peers.md')

export type Results = Record<string, Result>

export function load(): Results {
  return existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : {}
}

export function keep(results: Results): void {
  mkdirSync(dirname(kept), { recursive: true })
  writeFileSync(kept, JSON.stringify(results))
}

export function versionOf(elector: Elector): string {
  return JSON.parse(readFileSync(resolve('bench/peers/node_modules', elector.package, 'package.json'), 'utf8')).version.replace(/^v/, '')
}

export function percentile(all: readonly number[], p: number): number {
  const sorted = [...all].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}

const most = (all: readonly number[]) => Math.max(0, ...all)
const time = (ms: number) => (ms === 0 ? '0' : ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`)

function times({ nextMs, rounds }: Seen): string {
  if (nextMs.length === 0) return `never (0 of ${rounds})`
  const missing = nextMs.length < rounds ? ` (${nextMs.length} of ${rounds})` : ''
  return `${time(percentile(nextMs, 0.5))} / ${time(percentile(nextMs, 0.99))}${missing}`
}

function together(seen: Seen): string {
  const longest = most(seen.overlapMs)
  if (longest === 0) return '0'
  return `${time(percentile(seen.overlapMs, 0.5))} / ${time(longest)}`
}

function died({ deaths, rounds }: Seen): string {
  return deaths.length > 0 ? `; process died in ${deaths.length} of ${rounds}` : ''
}

function stale({ stale, rounds }: Seen): string {
  const hit = stale.filter((count) => count > 0).length
  return hit === 0 ? '0' : `${stale.reduce((sum, count) => sum + count, 0)} in ${hit} of ${rounds}`
}

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly string[])[]) => [head, head.map(() => '---'), ...rows].map(row).join('\n')

function tableOf(results: Results): string {
  const stalls = ['stall: two act for', 'stall: next acts after']
  const freezes = ['freeze: stale actions', 'freeze: two act for', 'freeze: next acts after']
  const rows = electors.flatMap((elector) => {
    const result = results[elector.name]
    if (!result) return []
    const { stall, freeze, handover, kill } = result
    const name = elector.package === 'tenure' ? `**${elector.name}**` : elector.name
    const link = elector.server === 'host' ? 'no link' : ''
    const faults = [
      stall ? [together(stall) + died(stall), times(stall)] : [link, link],
      freeze ? [stale(freeze) + died(freeze), together(freeze), times(freeze)] : ['', '', ''],
    ]
    return [[name, ...faults.flat(), handover ? times(handover) : '', kill ? times(kill) : '']]
  })
  return table(['elector', ...stalls, ...freezes, 'handover', 'kill -9'], rows)
}

function settingsOf(results: Results): string {
  const rows = electors.flatMap((elector) => {
    const version = results[elector.name]?.version
    return version ? [[elector.name, `${elector.package} ${version}`, elector.settings]] : []
  })
  return table(['elector', 'package', 'settings'], rows)
}

/** On what it was measured. */
function groundOf(results: Results): string {
  const servers = (['redis', 'etcd', 'postgres'] as const).map((kind) => {
    const bin = findServer(kind)
    const version = bin ? /\d+(?:\.\d+)+/.exec(execFileSync(bin, ['--version'], { encoding: 'utf8' }))?.[0] : undefined
    return `${kind} ${version ?? '(none)'}`
  })
  const loadOf = (parts: readonly (Seen | undefined)[]) => {
    const loads = parts.flatMap((seen) => (seen ? [seen.load] : []))
    if (loads.length === 0) return 'none'
    return `${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`
  }
  const all = Object.values(results)
  const load = `load ${loadOf(all.flatMap(({ stall, freeze, kill }) => [stall, freeze, kill]))} during the faults, ${loadOf(all.map(({ handover }) => handover))} during the handovers`
  return `Measured on Node ${process.versions.node}, ${servers.join(', ')}; ${cpus().length} cores, ${load}.`
}

export function textOf(results: Results): string {
  return [tableOf(results), groundOf(results), settingsOf(results)].join('\n\n')
}

/** Put the tables between the marks of the page. */
export function write(results: Results): void {
  const [before = '', , after = ''] = readFileSync(page, 'utf8').split(/<!-- (?:begin|end) of tables -->\n/)
  writeFileSync(page, `${before}<!-- begin of tables -->\n\n${textOf(results)}\n\n<!-- end of tables -->\n${after}`)
}
