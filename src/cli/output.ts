/**
 * What `tenure` prints. Data goes to stdout, talk to stderr, so that a pipe carries data alone. Colour and redrawing are
 * for a terminal with a person before it: not in a pipe, not in CI, not with NO_COLOR. Names come from other processes
 * and must never reach a terminal with control characters in them.
 */

import { write } from 'node:fs'
import picocolors from 'picocolors'
import { maskSecrets } from '../errors.ts'

/** Whether a person looks at this stream. */
export function isTerminal(stream: NodeJS.WriteStream): boolean {
  const { CI, TERM } = process.env
  return stream.isTTY === true && !CI && TERM !== 'dumb'
}

export function colorsFor(stream: NodeJS.WriteStream) {
  const { NO_COLOR } = process.env
  return picocolors.createColors(isTerminal(stream) && !NO_COLOR)
}

/** Without control characters, which could move the cursor of whoever reads it. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu, '\uFFFD')
}

/** Columns that a line may take; without end where no person looks. */
export function columnsFor(stream: NodeJS.WriteStream): number {
  return isTerminal(stream) ? stream.columns || 80 : Number.POSITIVE_INFINITY
}

export interface TalkOptions {
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly verbose?: boolean | undefined
}

type Fields = Readonly<Record<string, unknown>>

/** The talk of one command: sentences for people, or one JSON object a line. */
export class Talk {
  readonly #options: TalkOptions
  readonly #colors = colorsFor(process.stderr)

  constructor(options: TalkOptions) {
    this.#options = options
  }

  /** Of use to a person who looks on: told at a terminal, with `-v` and with `--json`. */
  chat(event: string, sentence: string, fields: Fields = {}): void {
    const { json, verbose, quiet } = this.#options
    if (!quiet && (json || verbose || isTerminal(process.stderr))) this.#put(event, sentence, fields, this.#colors.dim)
  }

  /** Detail: told with `-v` alone. */
  detail(event: string, sentence: string, fields: Fields = {}): void {
    if (this.#options.verbose && !this.#options.quiet) this.#put(event, sentence, fields, this.#colors.dim)
  }

  /** Something that has to be known: told unless `--quiet`. */
  note(event: string, sentence: string, fields: Fields = {}): void {
    if (!this.#options.quiet) this.#put(event, sentence, fields, this.#colors.yellow)
  }

  /** Why the command ends badly: always told. */
  error(sentence: string, fields: Fields = {}): void {
    this.#put('error', sentence, fields, this.#colors.red)
  }

  #put(event: string, sentence: string, fields: Fields, color: (text: string) => string): void {
    const text = maskSecrets(sentence)
    if (this.#options.json) putLine(JSON.stringify({ event, ...fields, message: text }))
    else putLine(color(`tenure: ${printable(text)}`))
  }
}

/** Lines on their way to stderr, one after the other. */
let writing: Promise<void> = Promise.resolve()

/**
 * Say a line on stderr. It is written by a thread: a pipe that nobody empties would otherwise stop the loop, and with it
 * the renewals. A stderr that is gone must not end an election either.
 */
export function putLine(line: string): void {
  writing = writing.then(() => new Promise((resolve) => write(2, `${line}\n`, () => resolve())))
}

/** Wait for what was said, but no longer than `boundMs`. */
export function flushed(boundMs: number): Promise<void> {
  return Promise.race([writing, new Promise<void>((resolve) => void setTimeout(resolve, boundMs).unref())])
}

export function isErrno(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && 'code' in thrown && codes.includes(String(thrown.code))
}
