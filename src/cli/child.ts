/**
 * The command that a run runs: started in a process group of its own, with or without the terminal, and followed until
 * it ends. It never decides when to end; its supervisor and the guard do.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { after } from './after.ts'
import { exitCode, exitCodeOfSignal, Refusal } from './exit-codes.ts'
import { isErrno } from './output.ts'
import { processOf } from './processes.ts'
import { launcher } from './terminal.ts'

/** A witness that has not gone for so long is frozen. */
const FROZEN_MS = 5000

/** How a command ended, as the exit code that is passed on. */
export interface Ending {
  readonly code: number
  /** Why it could not be started at all. */
  readonly refusal?: string | undefined
  /** It was not let go. */
  readonly neverRan?: boolean | undefined
}

export interface Launch {
  readonly command: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  readonly mark: string
  readonly onTerminal: boolean
  /** A launcher has been started, that stands between us and the command. */
  launching(pid: number): void
  /**
   * Called as soon as the group is known. Where a launcher stands between, the command runs only after it resolved with
   * true.
   */
  led(group: number): Promise<boolean>
  /** Somebody has typed Ctrl-C or Ctrl-\. The command has heard of it, too. */
  typed(signal: NodeJS.Signals): void
  /** The command was stopped at the terminal. Resolves with where it is to go on. */
  stopped(launcherPid: number): Promise<'fg' | 'bg'>
}

/** Start the command. Resolves when it has ended; what it left behind may still run. */
export async function runChild(launch: Launch): Promise<Ending> {
  const { command, environment, mark, onTerminal } = launch
  const [file = '', args] = onTerminal ? launcher(command, mark) : [command[0], command.slice(1)]
  const child = spawn(file, args, {
    stdio: onTerminal ? ['inherit', 'inherit', 'inherit', 'pipe', 'pipe'] : 'inherit',
    // A session of its own is also a group of its own; a launcher makes the group within ours.
    detached: !onTerminal,
    env: environment,
  })
  const ended = ending(child)
  if (!onTerminal) {
    if (child.pid !== undefined) void launch.led(child.pid)
    return ended
  }
  if (child.pid !== undefined) launch.launching(child.pid)
  let ran = false
  const led = async (group: number) => {
    ran = processOf(group)?.group === group && (await launch.led(group))
    return ran
  }
  const lastWord = converse(child, { ...launch, led })
  const result = await ended
  // What was typed before the command ended has to be known when it has.
  await lastWord()
  return { ...result, neverRan: !ran }
}

function ending(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code: signal ? exitCodeOfSignal(signal) : (code ?? exitCode.internal) }))
    child.once('error', (error) => {
      // Also emitted when a signal could not be sent; then it runs, and will exit.
      if (child.pid !== undefined) return
      const code = isErrno(error, 'ENOENT') ? exitCode.notFound : exitCode.cannotExecute
      resolve({ code, refusal: error.message })
    })
  })
}

/**
 * Talk with the launcher: learn the group, let the command go, hear what is typed, and stop and go on together with it. The
 * function returned sends the witness away, and resolves when it has gone.
 */
function converse(child: ChildProcess, { led, typed, stopped }: Pick<Launch, 'led' | 'typed' | 'stopped'>): () => Promise<void> {
  const [, , , line, leash] = child.stdio
  if (!(line instanceof Duplex) || !(leash instanceof Duplex)) return async () => {}
  let group = 0
  let witness = 0
  const heard = async (words: string) => {
    const [word, value] = words.split(' ')
    if (word === 'stopped') line.write(`${await stopped(child.pid ?? 0)}\n`)
    else if (word === 'witness') witness = Number(value)
    else if (word === 'pid') {
      group = Number(value)
      line.write((await led(group)) ? 'go\n' : 'no\n')
    } else if (word === 'SIGINT' || word === 'SIGQUIT') typed(word)
  }
  const words = createInterface({ input: line })
  words.on('line', (word) => void heard(word))
  const closed = new Promise<void>((resolve) => void line.once('close', resolve))
  // Its end of the line closes while it still ends, and it would be taken for something that the command has left behind.
  const gone = async () => {
    await closed
    while (witness > 0 && processOf(witness)?.group === group) await pause(1)
  }
  // They break when the launcher is killed, and that is seen from its exit.
  for (const end of [line, leash, words]) end.on('error', () => {})
  return () => {
    leash.destroy()
    return new Promise((resolve) => {
      // One that is held still says nothing more; it ends with the rest of the tree.
      const cancel = after(FROZEN_MS, resolve)
      // Where nobody can look, whoever looks at the whole tree next sees to that.
      void gone()
        .catch(() => {})
        .then(resolve)
        .finally(cancel)
    })
  }
}

/** Refuse a command that cannot be run, as a shell would, before anybody waits for an election to find that out. */
export function checkCommand(file: string, path = pathOf(process.env)): void {
  const named = file.includes('/')
  const candidates = named ? [file] : path.split(delimiter).map((folder) => join(folder || '.', file))
  const states = candidates.map((candidate) => executable(candidate, named))
  if (states.includes('yes')) return
  if (states.includes('no')) throw new Refusal(exitCode.cannotExecute, `cannot execute ${file}: it is not an executable file`)
  throw new Refusal(exitCode.notFound, `command not found: ${file}`)
}

/** Where nothing is said, as the system does. */
function pathOf({ PATH }: NodeJS.ProcessEnv): string {
  return PATH ?? '/usr/bin:/bin'
}

function executable(path: string, named: boolean): 'yes' | 'no' | 'absent' {
  try {
    // A search passes over folders; who names one gets told.
    if (!statSync(path).isFile()) return named ? 'no' : 'absent'
  } catch (thrown) {
    return isErrno(thrown, 'EACCES') ? 'no' : 'absent'
  }
  try {
    accessSync(path, constants.X_OK)
    return 'yes'
  } catch {
    return 'no'
  }
}
