/**
 * What the memo of an election says of its runs: which was the last that came to its end, and of which versions there
 * was one. A text that was not written here is refused, and never overwritten.
 */

import { TenureError } from '../errors.ts'

/** So many versions are remembered; with 64 characters each they fit into a memo whatever the characters are. */
export const VERSIONS = 30

export interface Ledger {
  /** The fencing token of the last run that came to its end; 0: there was none. */
  readonly run: number
  /** Versions that were run, the latest last. */
  readonly versions: readonly string[]
}

const FORMAT = 1
/** Where nothing was written yet; no ledger that was read is this one. */
export const unwritten: Ledger = { run: 0, versions: [] }

/** Throws a `TenureError` of code `store-unfit`. */
export function decodeLedger(name: string, text: string | undefined): Ledger {
  if (text === undefined) return unwritten
  const { once, run, versions } = parsed(text)
  const fine = once === FORMAT && Number.isSafeInteger(run) && Array.isArray(versions) && versions.every((one) => typeof one === 'string')
  if (fine) return { run: Number(run), versions }
  const message = `The memo of \`${name}\` was not written by this version of runOnce: use another name, or let all processes run one version`
  throw new TenureError('store-unfit', message)
}

export function encodeLedger({ run, versions }: Ledger): string {
  return JSON.stringify({ once: FORMAT, run, versions })
}

/** After a run has come to its end. */
export function noted({ versions }: Ledger, run: number, version: string | undefined): Ledger {
  const others = versions.filter((one) => one !== version)
  return { run, versions: version === undefined ? versions : [...others, version].slice(-VERSIONS) }
}

function parsed(text: string): { readonly once?: unknown; readonly run?: unknown; readonly versions?: unknown } {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
