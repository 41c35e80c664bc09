/**
 * `tenure run`: runs a command only while leading. This file reads and checks what was asked for; `supervisor.ts` does it.
 * Whatever cannot work is refused before anybody stands in an election.
 */

import type { Command } from 'commander'
import { badOption } from '../../errors.ts'
import type { LeaseStore } from '../../index.ts'
import { checkCommand } from '../child.ts'
import { type Rest, type StoreOptions, type Verb, withConnected, withStore } from '../command.ts'
import { durationMs, durationText } from '../durations.ts'
import { exitCode, Refusal, usage } from '../exit-codes.ts'
import { Talk } from '../output.ts'
import type { RunPlan } from '../plan.ts'
import { supervise } from '../supervisor.ts'

/** As commander hands them over. */
interface RunOptions extends StoreOptions {
  readonly id?: string
  readonly ttl?: string
  readonly margin?: string
  readonly retry?: string
  readonly wait?: string
  readonly try?: boolean
  readonly conflictExitCode?: string
  readonly lostExitCode?: string
  readonly onLost?: string
  readonly keep?: boolean
  readonly hold?: string
  readonly killAfter?: string
  readonly drain?: string
  readonly json?: boolean
  readonly verbose?: boolean
  readonly quiet?: boolean
  readonly shell?: boolean
}

export const run: Verb = {
  add(program, rest, done) {
    withOptions(withStore(program.command('run').description('run a command only while leading')))
      .argument('<election>', 'the election to stand in')
      .usage('<election> [options] -- <command> [args]')
      .allowExcessArguments(true)
      .action((election: string, options: RunOptions, command: Command) => done(start(election, options, command.args.slice(1), rest)))
  },
}

function withOptions(command: Command): Command {
  return command
    .option('--id <id>', 'the name people recognise this candidate by (host, pid and four digits)')
    .option('--ttl <duration>', "how long the lease lives without renewal (15s, or the store's own)")
    .option('--margin <duration>', 'from the end of leadership to the first instant a rival may win (ttl/5)')
    .option('--retry <duration>', 'the longest pause between looks while somebody else leads (ttl/3)')
    .option('--wait <duration>', 'give up when not elected within this time (never)')
    .option('--try', 'give up when not elected at once')
    .option('-E, --conflict-exit-code <n>', `exit code when not elected in time (${exitCode.notElected})`)
    .option('--lost-exit-code <n>', `exit code when leadership was lost; not 0 (${exitCode.lost})`)
    .option('--on-lost <what>', 'when leadership was lost: exit, or restart on the next win (exit)')
    .option('--keep', 'run the command again when it ends while leading, unless interrupted')
    .option('--hold <duration>', 'keep the election at least this long after winning')
    .option('--kill-after <duration>', 'when leadership was lost: from SIGTERM to SIGKILL; below the margin (2/3 of it)')
    .option('--drain <duration>', 'on a signal or Ctrl-C: how long the command may take to end (for ever)')
    .option('--shell', 'run the command by a shell: run x --shell -- "a | b"')
    .option('--json', 'talk in JSON, one object a line, on stderr')
    .option('-v, --verbose', 'tell more')
    .option('--quiet', 'tell errors only')
}

async function start(election: string, options: RunOptions, excess: readonly string[], rest: Rest): Promise<number> {
  if (process.platform === 'win32') {
    throw new Refusal(
      exitCode.configuration,
      'tenure run does not work on Windows: it has no process groups to end a tree by. Use the library',
    )
  }
  const command = commandOf(election, options, excess, rest)
  return withConnected(options, async (connected) => {
    const plan = planOf(election, options, command, connected.store)
    checkCommand(command[0] ?? '')
    const talk = new Talk(options)
    // What the library and the stores warn of is told as everything else is.
    process.removeAllListeners('warning')
    process.on('warning', (warning) => talk.note('warning', warning.message))
    return supervise(plan, connected, talk)
  })
}

function commandOf(election: string, { shell }: RunOptions, excess: readonly string[], rest: Rest): readonly string[] {
  if (rest === undefined && excess.length > 0) throw usage(`Put -- before the command: tenure run ${election} -- ${excess.join(' ')}`)
  if (excess.length > 0) throw usage(`Expected one election before --, got ${[election, ...excess].join(' ')}`)
  if (rest === undefined || rest.length === 0 || rest[0] === '') {
    throw usage(`Say what to run: tenure run ${election} -- node worker.js`)
  }
  return shell ? ['/bin/sh', '-c', rest.join(' ')] : rest
}

function planOf(election: string, options: RunOptions, command: readonly string[], store: LeaseStore): RunPlan {
  const ttlMs = options.ttl === undefined ? standardTtlMs(store) : durationMs('--ttl', options.ttl)
  const duration = (name: string, text: string | undefined, standard: number) => {
    return text === undefined ? standard : durationMs(name, text, ttlMs)
  }
  if (options.try && options.wait !== undefined) throw usage('Give --try or --wait, not both')
  const { onLost = 'exit' } = options
  if (onLost !== 'exit' && onLost !== 'restart') throw usage(badOption('--on-lost', 'exit or restart', onLost).message)
  const marginMs = duration('--margin', options.margin, Math.floor(ttlMs / 5))
  return {
    election,
    command,
    id: options.id,
    ttlMs,
    marginMs,
    retryMs: duration('--retry', options.retry, Math.max(1, Math.floor(ttlMs / 3))),
    waitMs: options.try ? 0 : duration('--wait', options.wait, Number.POSITIVE_INFINITY),
    conflictExitCode: exitCodeFrom('--conflict-exit-code', options.conflictExitCode ?? String(exitCode.notElected), 0),
    lostExitCode: exitCodeFrom('--lost-exit-code', options.lostExitCode ?? String(exitCode.lost), 1),
    onLost,
    keep: options.keep === true,
    holdMs: duration('--hold', options.hold, 0),
    killAfterMs: killAfterOf(duration('--kill-after', options.killAfter, Math.floor((marginMs * 2) / 3)), marginMs),
    drainMs: duration('--drain', options.drain, Number.POSITIVE_INFINITY),
  }
}

function standardTtlMs(store: LeaseStore): number {
  return Math.max(store.timing?.ttlMs ?? 15_000, store.minTtlMs ?? 0)
}

/** At the margin or beyond a rival could lead before the last process was ended. */
function killAfterOf(killAfterMs: number, marginMs: number): number {
  if (killAfterMs < marginMs || (killAfterMs === 0 && marginMs === 0)) return killAfterMs
  throw usage(`Expected \`--kill-after\` to be less than the margin (${durationText(marginMs)}), got ${durationText(killAfterMs)}`)
}

function exitCodeFrom(option: string, text: string, least: number): number {
  const code = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN
  if (code >= least && code <= 255) return code
  throw usage(badOption(option, `a whole number from ${least} to 255`, text).message)
}
