/**
 * The processes of this host, as the system tells them: from /proc on Linux, from `ps` elsewhere. A look is a moment: what
 * it shows may have ended, and something may have begun. Zombies are not told: nothing of them runs.
 */

import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { isErrno } from './output.ts'

/** One living process. */
export interface Process {
  readonly pid: number
  readonly parent: number
  readonly group: number
  /** 0 where the system does not tell. */
  readonly session: number
  /** The group in the foreground of its terminal; 0 or less without a terminal. */
  readonly foreground: number
  /** In ticks since the host was started; 0 where the system does not tell. */
  readonly startedAt: number
}

const hasProc = process.platform === 'linux'

/** Every living process that can be seen. */
export function processes(): readonly Process[] {
  if (!hasProc) return listed(['-A'])
  const found: Process[] = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const one = Number.isInteger(pid) ? processOf(pid) : undefined
    if (one) found.push(one)
  }
  return found
}

/** One process; `undefined` when it has ended. */
export function processOf(pid: number): Process | undefined {
  if (!hasProc) return listed(['-p', String(pid)])[0]
  const stat = contents(`/proc/${pid}/stat`)?.toString('latin1')
  if (stat === undefined) return undefined
  // The name stands in parentheses and may itself contain them.
  const [state, parent, group, session, , foreground, flags, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const threads = Number(rest[10])
  // The first thread of a program may have ended before the others.
  if ((state === 'Z' || state === 'X') && !(threads > 1)) return undefined
  if ((Number(flags) & KERNEL_THREAD) !== 0) return undefined
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    foreground: Number(foreground),
    startedAt: Number(rest[12]),
  }
}

/** Whether a process was started with this text in its environment. Always false where that cannot be read. */
export function environmentHas(pid: number, text: string): boolean {
  return hasProc && (contents(`/proc/${pid}/environ`)?.includes(text) ?? false)
}

/**
 * A file of /proc, good until the next one is read; `undefined` when the process has ended or is somebody else's. Any
 * other error is thrown: who cannot look must not take it that nothing is there.
 */
function contents(path: string): Buffer | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    let length = 0
    for (let read = -1; read !== 0; length += read) {
      if (length === buffer.length) buffer = Buffer.concat([buffer], 2 * length)
      read = readSync(fd, buffer, length, buffer.length - length, null)
    }
    return buffer.subarray(0, length)
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined
    throw thrown
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** A look reads hundreds of small files: one buffer for all of them makes it twice as quick. */
let buffer = Buffer.alloc(65_536)
/** Of the flags of a process, PF_KTHREAD. */
const KERNEL_THREAD = 0x00200000

function listed(selection: readonly string[]): readonly Process[] {
  const columns = 'pid=,ppid=,pgid=,tpgid=,stat='
  const lines = psOutput(['-o', columns, ...selection]).split('\n')
  return lines.flatMap((line) => {
    const [pid, parent, group, foreground, state] = line.trim().split(/\s+/)
    if (!pid || !state || state.startsWith('Z')) return []
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), session: 0, foreground: Number(foreground), startedAt: 0 }]
  })
}

function psOutput(args: readonly string[]): string {
  const { status, stdout, error } = spawnSync('ps', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  if (error) throw error
  // 1: no such process.
  if (status !== 0 && status !== 1) throw new Error(`ps ${args.join(' ')} ended with ${status}`)
  return stdout
}
