/**
 * The folders of one run of the tests, or of one benchmark: one in the temporary directory, one below the project, from
 * where its packages are found. What is put there goes with the run, also when it is killed. A handler of `exit` in a file
 * of tests cannot do that: vitest ends its workers by a signal.
 */

import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the programs of the harness are; others are bundled with it, to below the project. */
export const harness: string = ['./', '../test/harness/', '../../test/harness/']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(join(path, 'sweeper.mjs'))) as string

const NAME = 'TENURE_TEST_RUN'

export interface Run {
  /** In the temporary directory; everybody may pass through it, as some servers have a user of their own. */
  readonly temporary: string
  /** Below the project. */
  readonly project: string
}

let current: Run | undefined

/** The folders of the run that this process belongs to; where it belongs to none, those of a run of its own. */
export function currentRun(): Run {
  const temporary = process.env[NAME]
  current ??= temporary === undefined ? openRun() : runAt(temporary)
  return current
}

/** A new run, of this process and all that it starts: whatever they take for the temporary directory goes with it. */
export function beginRun(): void {
  current = openRun()
  process.env[NAME] = current.temporary
  process.env['TMPDIR'] = current.temporary
}

function openRun(): Run {
  const temporary = mkdtempSync(join(tmpdir(), 'tenure-run-'))
  const run = runAt(temporary)
  const folders = [run.temporary, run.project]
  // Detached: a Ctrl-C in the terminal must not reach it before the run.
  const args = [join(harness, 'sweeper.mjs'), `${NAME}=${temporary}`, ...folders]
  const sweeper = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  sweeper.unref()
  if ('unref' in sweeper.stdin && typeof sweeper.stdin.unref === 'function') sweeper.stdin.unref()
  process.on('exit', () => {
    try {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    } catch {
      // Somebody still writes there: the sweeper ends them first.
    }
  })
  chmodSync(temporary, 0o711)
  mkdirSync(run.project, { recursive: true })
  return run
}

function runAt(temporary: string): Run {
  return { temporary, project: join(harness, '..', '..', '.tmp', basename(temporary)) }
}
