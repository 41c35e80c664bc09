/**
 * What a verb of `tenure` looks like to `main.ts`, and what the verbs share. A verb adds itself to the program and answers
 * with an exit code; it never ends the process.
 */

import type { Command } from 'commander'
import { TenureError } from '../index.ts'
import { connect } from './connect.ts'
import type { Connected } from './connected.ts'
import { Talk, type TalkOptions } from './output.ts'

/** The words after `--`, which are none of ours; `undefined` where there was no `--`. */
export type Rest = readonly string[] | undefined

export interface Verb {
  /** Add the verb with its options. `done` takes the exit code, or what goes wrong. */
  add(program: Command, rest: Rest, done: (code: Promise<number>) => Promise<void>): void
}

export interface StoreOptions {
  readonly store?: string | undefined
}

/** The option by which every verb finds its store. */
export function withStore(command: Command): Command {
  return command.option(
    '--store <url>',
    'where the leases are: file:/dir, sqlite:, postgres://, redis://, etcd://, ... (files of this user); TENURE_STORE hides it from others',
  )
}

/** Open the store that was asked for, use it, and close it whatever happens. */
export async function withConnected<T>(options: StoreOptions & TalkOptions, use: (connected: Connected) => Promise<T>): Promise<T> {
  const { TENURE_STORE, TENURE_RUN } = process.env
  const url = options.store ?? TENURE_STORE
  const connected = await connect(url)
  try {
    // A URL may hold a password, so that a command that we run is not given it.
    if (url === undefined && TENURE_RUN !== undefined)
      new Talk(options).note('nested', `inside of tenure run, which does not pass on its store: this is ${connected.where}`)
    return await use(connected)
  } finally {
    await connected.close()
  }
}

/** A store call of a command, bounded: a store that never answers is one that cannot be reached. */
export async function asked<T>(connected: Connected, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const late = new TenureError('store-unreachable', `${connected.where} did not answer within ${ANSWER_MS / 1000} s`)
  let timer: NodeJS.Timeout | undefined
  const verdict = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      controller.abort(late)
      reject(late)
    }, ANSWER_MS)
  })
  try {
    return await Promise.race([call(controller.signal), verdict])
  } finally {
    clearTimeout(timer)
  }
}

const ANSWER_MS = 5000
