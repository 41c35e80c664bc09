/** Runs an example as its users would: bundled to one module, as a process of its own. Each is ended with the test. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'
import { currentRun } from '../harness/run.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Below the project, so that packages are found from there. */
export function bundles(): string {
  return mkdtempSync(join(currentRun().project, 'examples-'))
}

/** Bundle one example; packages stay outside, as they are installed. */
export async function bundle(folder: string, entry: string): Promise<string> {
  const outfile = join(folder, `${entry.replaceAll('/', '-')}.mjs`)
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    target: 'node20',
    logLevel: 'error',
  })
  return outfile
}

export class Program {
  readonly #child: ChildProcess
  readonly #waiting = new Set<() => void>()
  readonly exited: Promise<number | string | null>
  out = ''

  constructor(path: string, env: Record<string, string>, args: readonly string[] = []) {
    const { NODE_OPTIONS: _, VITEST: __, ...clean } = process.env
    this.#child = spawn(process.execPath, [path, ...args], { env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const take = (chunk: Buffer) => {
      this.out += chunk.toString()
      for (const look of [...this.#waiting]) look()
    }
    this.#child.stdout?.on('data', take)
    this.#child.stderr?.on('data', take)
    this.exited = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        resolve(code ?? signal)
        for (const look of [...this.#waiting]) look()
      })
    })
    onTestFinished(() => this.kill('SIGKILL'))
    this.name = `${basename(path)} (${this.#child.pid})`
  }

  readonly name: string

  get lines(): readonly string[] {
    return this.out.split('\n').filter((line) => line !== '')
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.isOver) this.#child.kill(signal)
  }

  /** Resolves when what it said is enough. */
  until(said: (lines: readonly string[]) => boolean, limitMs = 25_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle()
      }
      const look = () => {
        if (said(this.lines)) end(resolve)
        else if (this.isOver) end(() => reject(new Error(`${this.name} has ended, and said: ${this.out}`)))
      }
      const timer = setTimeout(() => end(() => reject(new Error(`${this.name} said in ${limitMs} ms: ${this.out}`))), limitMs)
      this.#waiting.add(look)
      look()
    })
  }
}
