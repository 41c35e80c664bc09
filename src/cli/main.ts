#!/usr/bin/env node
/**
 * `tenure`, the command: finds the verb, runs it, and turns whatever comes of it into one line and an exit code. Nothing
 * that went wrong ends with 0, and no stack is shown for what a person can mend.
 */

import { Command, CommanderError } from 'commander'
import { describeValue, messageOf, TenureError } from '../errors.ts'
import type { Verb } from './command.ts'
import { ddl } from './commands/ddl.ts'
import { demo } from './commands/demo.ts'
import { doctor } from './commands/doctor.ts'
import { run } from './commands/run.ts'
import { status } from './commands/status.ts'
import { watch } from './commands/watch.ts'
import { exitCode, exitCodeOf, Refusal, usage } from './exit-codes.ts'
import { flushed, isErrno, Talk } from './output.ts'

/** Put in by the build. */
declare const TENURE_VERSION: string

/** Every verb, in the order of the help. A new one is a file in `commands/` and a word here. */
const verbs: readonly Verb[] = [run, status, watch, demo, doctor, ddl]

async function main(args: readonly string[]): Promise<number> {
  const own = ownWords(args)
  const rest = own.length === args.length ? undefined : args.slice(own.length + 1)
  let ended: Promise<number> = Promise.resolve(exitCode.ok)
  const program = new Command('tenure')
    .description('Leader election: of many processes, one leads.')
    .version(TENURE_VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [verb]', 'print the help of a verb')
    .addHelpText('after', `\nStart with:\n  tenure run outbox -- node worker.js\n  tenure status`)
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, 'tenure:')) })
    .exitOverride()
  for (const verb of verbs) {
    verb.add(program, rest, async (code) => {
      ended = code
      await code
    })
  }
  if (own.length === 0) {
    program.outputHelp({ error: true })
    return exitCode.usage
  }
  const [verb, about] = own
  if (verb === 'help' && about !== undefined && !program.commands.some((command) => command.name() === about))
    throw usage(`There is no verb ${describeValue(about)}: ${program.commands.map((command) => command.name()).join(', ')}`)
  await program.parseAsync([...own], { from: 'user' })
  return ended
}

/** What stands before `--`. */
function ownWords(args: readonly string[]): readonly string[] {
  const dashes = args.indexOf('--')
  return dashes < 0 ? args : args.slice(0, dashes)
}

/** The library speaks of its options; here they have other names, and units. */
function inOurWords(message: string): string {
  const ours = message.replace(/`[^`]*`/g, (name) => name.replace(/\b(ttl|margin|retry|drain)Ms\b/g, '--$1'))
  return ours === message || ours.includes('milliseconds') ? ours : `${ours}, in milliseconds`
}

/** One line, and the code for it. */
function failed(thrown: unknown): number {
  // Its own line has been printed.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCode.ok : exitCode.usage
  const talk = new Talk({ json: ownWords(process.argv).includes('--json') })
  if (thrown instanceof Refusal) {
    talk.error(thrown.message)
    return thrown.exitCode
  }
  if (thrown instanceof TenureError) {
    talk.error(thrown.code === 'bad-option' ? inOurWords(thrown.message) : thrown.message, { code: thrown.code })
    return exitCodeOf(thrown)
  }
  talk.error(`internal error, please report it: ${thrown instanceof Error ? thrown.stack : messageOf(thrown)}`)
  return exitCode.internal
}

async function exit(code: number): Promise<never> {
  await flushed(1000)
  process.exit(code)
}

// `tenure status | head`: whoever read has seen enough.
process.stdout.on('error', (error) => {
  if (isErrno(error, 'EPIPE')) process.exit(exitCode.ok)
  throw error
})
// The guard sees this end, and ends whatever runs.
process.on('uncaughtException', (thrown) => void exit(failed(thrown)))
main(process.argv.slice(2)).then(exit, (thrown: unknown) => exit(failed(thrown)))
