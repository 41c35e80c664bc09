/** `tenure watch`: a line for each change of leadership, the present state first, until it is interrupted. */

import { type Leader, observe } from '../../index.ts'
import { type StoreOptions, type Verb, withConnected, withStore } from '../command.ts'
import type { Connected } from '../connected.ts'
import { exitCodeOfSignal } from '../exit-codes.ts'
import { printable, Talk } from '../output.ts'

interface WatchOptions extends StoreOptions {
  readonly json?: boolean | undefined
}

export const watch: Verb = {
  add(program, _rest, done) {
    withStore(program.command('watch').description('print a line for each change of leadership'))
      .argument('<election>', 'the election to watch')
      .option('--json', 'one JSON object a line')
      .action((election: string, options: WatchOptions) =>
        done(withConnected(options, (connected) => follow(election, options, connected))),
      )
  },
}

async function follow(election: string, options: WatchOptions, connected: Connected): Promise<number> {
  const talk = new Talk(options)
  const ended = new AbortController()
  let by: NodeJS.Signals = 'SIGINT'
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      by = signal
      ended.abort()
    })
  }
  talk.detail('store', `the store is ${connected.where}`)
  const logger = {
    debug: () => {},
    info: () => {},
    warn: (message: string, fields?: Record<string, unknown>) => talk.note('trouble', message, fields),
    error: (message: string, fields?: Record<string, unknown>) => talk.note('trouble', message, fields),
  }
  for await (const leader of observe(election, { store: connected.store, signal: ended.signal, logger })) {
    process.stdout.write(`${lineOf(election, leader, options.json === true)}\n`)
  }
  return exitCodeOfSignal(by)
}

function lineOf(election: string, leader: Leader | undefined, json: boolean): string {
  const at = new Date().toISOString()
  if (json) {
    const { candidate, fencingToken, advert, heldMs } = leader ?? {}
    return JSON.stringify({ at, election, leader: candidate ?? null, fencingToken, advert, heldMs: heldMs && Math.round(heldMs) })
  }
  const news = leader ? `${leader.candidate} leads, token ${leader.fencingToken}` : 'nobody leads'
  return printable(`${at} ${election}: ${news}`)
}
