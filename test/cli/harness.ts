/**
 * `tenure` as it is installed: bundled once for each test file, run as real processes in a directory of its own, and
 * nothing left behind, not even by a test that failed. Every process that a test starts carries a mark in its environment,
 * and what still carries it at the end is ended by its pid.
 */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { bundleCli, type Fault } from '../../scripts/build.mjs'

/** Times are bounds for a host that is busy with other things, never expectations. */
export const BOUND_MS = 20_000
/** What has ended may have said something that we have not yet read: on a busy host that takes a while. */
const LEFT_OPEN_MS = 1000

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Another build, with a fault in it. */
  readonly main?: string
}

/** One `tenure` that was started. */
export class Tenure {
  readonly process: ChildProcess
  readonly exited: Promise<Exit>
  out = ''
  err = ''

  constructor(process: ChildProcess) {
    this.process = process
    process.stdout?.on('data', (chunk: Buffer) => {
      this.out += chunk
    })
    process.stderr?.on('data', (chunk: Buffer) => {
      this.err += chunk
    })
    // `close`: all that it said has been read. A grandchild that keeps its stdout open must not hold this up for long.
    this.exited = new Promise((resolve) => {
      process.once('exit', (code, signal) => setTimeout(() => setImmediate(resolve, { code, signal }), LEFT_OPEN_MS))
      process.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  get guardPid(): number {
    return guardOf(this.pid)
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }

  says(pattern: RegExp): Promise<void> {
    return until(
      () => pattern.test(this.err),
      () => `stderr to say ${pattern}, it said: ${this.err}`,
    )
  }

  prints(pattern: RegExp): Promise<void> {
    return until(
      () => pattern.test(this.out),
      () => `stdout to say ${pattern}, it said: ${this.out}; stderr: ${this.err}`,
    )
  }

  /** The objects of `--json`. */
  events(): Record<string, unknown>[] {
    return this.err
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
  }
}

export interface Place {
  readonly folder: string
  /** A store of this test alone. */
  readonly store: string
  /** The environment of everything that a test starts. */
  environment(extra?: RunOptions['env']): NodeJS.ProcessEnv
  tenure(args: readonly string[], options?: RunOptions): Tenure
  /** Run to the end. */
  ended(args: readonly string[], options?: RunOptions): Promise<Exit & { readonly out: string; readonly err: string }>
  /** The path of a file for this test; with its text it is made, and can be executed. */
  file(name: string, text?: string): string
  /** A build with faults planted in it. */
  faulty(name: string, ...faults: readonly Fault[]): Promise<string>
  /** Pids of what this test has started and that still runs. */
  left(): readonly number[]
}

/** A place to run `tenure` in; for the top of a test file. */
export function place(): Place {
  const mark = `tenure-test-${randomBytes(8).toString('hex')}`
  const folder = mkdtempSync(join(tmpdir(), 'tenure-cli-'))
  let tests = 0
  let store = ''
  const environment: Place['environment'] = (extra = {}) => {
    const { CI: _ci, NO_COLOR: _plain, FORCE_COLOR: _color, NODE_OPTIONS: _options, ...rest } = process.env
    return { ...rest, TENURE_TEST: mark, TENURE_STORE: store, ...extra }
  }
  const tenure: Place['tenure'] = (args, options = {}) => {
    const main = options.main ?? join(folder, 'cli', 'main.js')
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe']
    // A group of its own, as a shell would give it.
    const child = spawn(process.execPath, [main, ...args], {
      cwd: options.cwd ?? folder,
      env: environment(options.env),
      stdio,
      detached: true,
    })
    return new Tenure(child)
  }
  beforeAll(() => bundleCli(join(folder, 'cli')))
  beforeEach(() => {
    tests += 1
    store = `file:${join(folder, `store-${tests}`)}`
  })
  afterEach(() => sweep(mark))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return {
    folder,
    get store() {
      return store
    },
    environment,
    tenure,
    async ended(args, options) {
      const one = tenure(args, options)
      const exit = await one.exited
      // Whatever a test is about: no person is shown a stack.
      if (/^\s+at /m.test(one.err)) throw new Error(`tenure ${args.join(' ')} showed a stack: ${one.err}`)
      return { ...exit, out: one.out, err: one.err }
    },
    file(name, text) {
      const path = join(folder, `${tests}-${name}`)
      if (text !== undefined) {
        writeFileSync(path, text)
        chmodSync(path, 0o755)
      }
      return path
    },
    async faulty(name, ...faults) {
      await bundleCli(join(folder, name), faults)
      return join(folder, name, 'main.js')
    },
    left: () => marked(mark),
  }
}

/** Wait for a condition, with a bound. */
export async function until(reached: () => boolean, what: () => string, boundMs = BOUND_MS): Promise<void> {
  for (const begun = performance.now(); !reached(); ) {
    if (performance.now() - begun > boundMs) throw new Error(`waited ${boundMs} ms for ${what()}`)
    await pause(5)
  }
}

/** Whether a process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid)
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** The letter of /proc; `undefined` when there is no such process. */
export function stateOf(pid: number): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`)
  return stat?.slice(stat.lastIndexOf(')') + 2)[0]
}

/** The guard of a supervisor. */
export function guardOf(supervisor: number): number {
  return childrenOf(supervisor).find((pid) => textOf(`/proc/${pid}/cmdline`)?.includes('guard.js')) ?? 0
}

/** The living children of a process, and those that it has not yet seen end. */
export function childrenOf(pid: number): number[] {
  const children = textOf(`/proc/${pid}/task/${pid}/children`) ?? ''
  return children.split(' ').filter(Boolean).map(Number)
}

/** Whether a process has a handler for this signal. */
export function hears(pid: number, signal: NodeJS.Signals): boolean {
  return isIn('SigCgt', pid, signal)
}

/** Whether this signal was sent to a process that has not yet taken it. */
export function isPending(pid: number, signal: NodeJS.Signals): boolean {
  return isIn('ShdPnd', pid, signal)
}

function isIn(set: string, pid: number, signal: NodeJS.Signals): boolean {
  const members = new RegExp(`^${set}:\\s*(\\w+)`, 'm').exec(textOf(`/proc/${pid}/status`) ?? '')?.[1] ?? '0'
  return ((BigInt(`0x${members}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n
}

export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

/** The lines of a file; none when there is none. */
export function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []
}

function marked(mark: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => pid !== process.pid && isAlive(pid) && textOf(`/proc/${pid}/environ`)?.includes(mark))
}

/** End whatever a test has left, one by one. */
async function sweep(mark: string): Promise<void> {
  await until(
    () => {
      const left = marked(mark)
      for (const pid of left) kill(pid, 'SIGKILL')
      return left.length === 0
    },
    () => `the end of ${marked(mark)}`,
  )
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  // 0 and below would name groups.
  if (!(pid > 1)) throw new Error(`not a process: ${pid}`)
  try {
    process.kill(pid, signal)
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ESRCH')) throw thrown
  }
}
