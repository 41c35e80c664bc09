/**
 * What the exit codes of `tenure` mean, and the refusal that carries one. The numbers are those of sysexits.h, flock(1)
 * and the shell where they have one, so that a script can tell them apart. A lost election must never exit with 0.
 */

import { constants } from 'node:os'
import type { TenureError } from '../index.ts'

export const exitCode = {
  ok: 0,
  /** `status <election>`: nobody leads. */
  notLed: 1,
  usage: 64,
  unreachable: 69,
  internal: 70,
  notElected: 75,
  denied: 77,
  configuration: 78,
  lost: 80,
  cannotExecute: 126,
  notFound: 127,
} as const

/** As a shell says it: 128 and the number of the signal. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0)
}

/** An end with one clear sentence for a person, and no stack. */
export class Refusal extends Error {
  readonly exitCode: number
  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = code
  }
}

export function usage(message: string): Refusal {
  return new Refusal(exitCode.usage, message)
}

/** The store, or the way to it, is not set up as it has to be. */
export function misconfigured(message: string): Refusal {
  return new Refusal(exitCode.configuration, message)
}

/** The exit code for what the library threw. */
export function exitCodeOf(error: Pick<TenureError, 'code'>): number {
  switch (error.code) {
    case 'store-unreachable':
      return exitCode.unreachable
    case 'store-denied':
      return exitCode.denied
    case 'store-unfit':
      return exitCode.configuration
    case 'bad-option':
      return exitCode.usage
    case 'work-failed':
    case 'work-overran':
    case 'listener-failed':
    case 'not-held':
    case 'stale-token':
    // Of parts that the command does not use.
    case 'not-done':
    case 'bus-unreachable':
      return exitCode.internal
    default:
      return error.code satisfies never
  }
}
