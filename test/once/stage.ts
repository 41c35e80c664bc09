/** Real processes that call `runOnce` at once, on a real store; one of them is killed in the middle of its run. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { bundle, bundles, Program } from '../examples/program.ts'
import { until } from '../harness/server.ts'

const folder = bundles()
let bundled: Promise<string> | undefined

export interface Callers {
  readonly log: string
  call(version: string): Program
  /** What the works have said so far, by their processes. */
  said(what: 'begin' | 'end'): readonly number[]
  /** Let works end. */
  go(): void
}

export async function callers(url: string, ttlMs: number): Promise<Callers> {
  bundled ??= bundle(folder, 'test/once/caller.ts')
  const path = await bundled
  const dir = mkdtempSync(join(tmpdir(), 'tenure-once-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  const log = join(dir, 'log')
  const words = () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []).map((line) => line.split(' '))
  return {
    log,
    call: (version) => new Program(path, {}, [url, log, version, String(ttlMs)]),
    said: (what) => words().flatMap(([word, pid]) => (word === what ? [Number(pid)] : [])),
    go: () => writeFileSync(`${log}.go`, ''),
  }
}

const outcome = (program: Program): unknown => JSON.parse(program.lines.at(-1) ?? 'null')

/** So many call at once; the runner is killed; another runs it; all that live resolve; who comes later need not run. */
export async function killedInTheMiddle(url: string, count: number, ttlMs: number): Promise<void> {
  const { call, said, go } = await callers(url, ttlMs)
  const all = Array.from({ length: count }, () => call('v1'))
  await Promise.all(all.map((program) => program.until((lines) => lines.includes('calls'))))
  await until('one runs it', async () => said('begin').length >= 1)
  const [runner] = said('begin')
  const killed = all.find(({ pid }) => pid === runner)
  killed?.kill('SIGKILL')
  await killed?.exited
  await until('another runs it', async () => said('begin').length >= 2)
  expect(said('end')).toEqual([])
  go()
  const others = all.filter((program) => program !== killed)
  expect(await Promise.all(others.map(({ exited }) => exited))).toEqual(others.map(() => 0))
  const [, second] = said('begin')
  expect(said('begin')).toEqual([runner, second])
  expect(said('end')).toEqual([second])
  for (const program of others) expect(outcome(program)).toEqual(program.pid === second ? { ran: true, value: second } : { ran: false })

  const [late, newer] = [call('v1'), call('v2')]
  expect(await Promise.all([late.exited, newer.exited])).toEqual([0, 0])
  expect(outcome(late)).toEqual({ ran: false })
  expect(outcome(newer)).toEqual({ ran: true, value: newer.pid })
  expect(said('begin')).toEqual([runner, second, newer.pid])
}

/** The runner is frozen until another has run it: what it comes to afterwards does not count. */
export async function frozenInTheMiddle(url: string, ttlMs: number): Promise<void> {
  const { call, said, go } = await callers(url, ttlMs)
  const first = call('v1')
  await until('one runs it', async () => said('begin').length >= 1)
  const second = call('v1')
  await second.until((lines) => lines.includes('calls'))
  first.kill('SIGSTOP')
  await until('another runs it', async () => said('begin').length >= 2)
  go()
  expect(await second.exited).toBe(0)
  expect(outcome(second)).toEqual({ ran: true, value: second.pid })
  first.kill('SIGCONT')
  expect(await first.exited).toBe(0)
  expect(outcome(first)).toEqual({ ran: false })
  expect(said('end')).toEqual([second.pid])
}
