/**
 * Outlives a run just long enough to remove its folders: when the pipe from the process that made them closes, for
 * whatever reason, they go. Who was killed could not end what it had started: that is ended first, and known by the name
 * of the run in its environment. Plain JavaScript, so that any Node runs it as is.
 *
 * Arguments: NAME=value of the environment, then the folders.
 */

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const [mark = '', ...folders] = process.argv.slice(2)
const BOUND_MS = 20_000

/** Ask again until it is true; a run that cannot be swept must not keep this for ever. */
async function until(reached) {
  for (const begun = performance.now(); !reached() && performance.now() - begun < BOUND_MS; ) await pause(20)
}

function textOf(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // It has ended, or belongs to somebody else.
    return ''
  }
}

/** Where there is no /proc, nobody is found. */
function processes() {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

/** Whether nothing of the run is left. The keepers are waited for: they alone know their servers, and end by themselves. */
function ended() {
  const left = processes().filter((pid) => pid !== process.pid && textOf(`/proc/${pid}/environ`).split('\0').includes(mark))
  for (const pid of left) {
    if (textOf(`/proc/${pid}/cmdline`).includes('keeper.mjs')) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  return left.length === 0
}

function removed() {
  for (const folder of folders) {
    try {
      rmSync(folder, { recursive: true, force: true })
    } catch {
      // Somebody still writes there.
    }
  }
  return !folders.some((folder) => existsSync(folder))
}

let sweeping = false
async function sweep() {
  if (sweeping) return
  sweeping = true
  await until(ended)
  await until(removed)
  process.exit(0)
}

for (const event of ['end', 'error']) process.stdin.on(event, sweep)
process.stdin.resume()
