/**
 * The processes of this host, as the system tells them: from /proc on Linux, from `ps` elsewhere. A look is a moment: what
 * it shows may have ended, and something may have begun. Zombies are not told: nothing of them runs.
 */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** One living process. */
export interface Process {
  readonly pid: number
  readonly parent: number
  readonly group: number
  /** 0 where the system does not tell. */
  readonly session: number
  /** The group in the foreground of its terminal; 0 or less without a terminal. */
  readonly foreground: number
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
  const [state, parent, group, session, , foreground, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const threads = Number(rest[11])
  // The first thread of a program may have ended before the others.
  if ((state === 'Z' || state === 'X') && !(threads > 1)) return undefined
  return { pid, parent: Number(parent), group: Number(group), session: Number(session), foreground: Number(foreground) }
}

/** Whether a process was started with this text in its environment. Always false where that cannot be read. */
export function environmentHas(pid: number, text: string): boolean {
  return hasProc && (contents(`/proc/${pid}/environ`)?.includes(text) ?? false)
}

/** A file of /proc; `undefined` when the process has ended, or is somebody else's. */
function contents(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

function listed(selection: readonly string[]): readonly Process[] {
  const columns = 'pid=,ppid=,pgid=,tpgid=,stat='
  const lines = psOutput(['-o', columns, ...selection]).split('\n')
  return lines.flatMap((line) => {
    const [pid, parent, group, foreground, state] = line.trim().split(/\s+/)
    if (!pid || !state || state.startsWith('Z')) return []
    return [{ pid: Number(pid), parent: Number(parent), group: Number(group), session: 0, foreground: Number(foreground) }]
  })
}

function psOutput(args: readonly string[]): string {
  try {
    return execFileSync('ps', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    // `ps -p` fails for a process that has ended.
    return ''
  }
}
