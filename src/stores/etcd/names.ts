/**
 * Where an election lives in etcd, and how a value tells who leads. These names are a wire format: others read them.
 *
 *   <prefix>/<election, percent-encoded>/<holder>     and with `interop`     [<prefix>/]<election>/<holder>
 *   <prefix>/<election, percent-encoded>              the memo, beside the directory; none with `interop`
 *
 * An election is a directory of its own, so that its range touches no other. The order of the keys is that of their
 * create revisions, as it is for everybody who elects by etcd; the last part of a key means nothing to others.
 */

import { TenureError } from '../../errors.ts'
import type { Bid, Hold } from '../../store.ts'

const MARK = '{"tenure":'

export class Names {
  readonly #prefix: string
  readonly #interop: boolean

  constructor(prefix: string, interop: boolean) {
    this.#prefix = prefix
    this.#interop = interop
  }

  /** What the keys of all elections begin with; empty with `interop` and no prefix. */
  get root(): string {
    return this.#prefix === '' ? '' : `${this.#prefix}/`
  }

  /** What the keys of one election begin with, up to and with the slash. */
  directory(election: string): string {
    if (!this.#interop) return `${this.root}${encodeURIComponent(election)}/`
    if (!election.includes('/')) return `${this.root}${election}/`
    const message = `etcd: with \`interop\` an election has no slash in its name (a range over \`a/\` contains \`a/b\`), got ${JSON.stringify(election)}`
    throw new TenureError('store-unfit', message)
  }

  memo(election: string): string {
    return this.directory(election).slice(0, -1)
  }

  key({ election, holder }: Hold): string {
    return `${this.directory(election)}${encodeURIComponent(holder)}`
  }

  /** The holder of a key that was found in the directory of this election. */
  holder(election: string, key: string): string {
    const last = key.slice(this.directory(election).length)
    if (last.includes('/')) {
      const message = `etcd: \`${key}\` lies inside the election ${JSON.stringify(election)} and belongs to something else: use another prefix`
      throw new TenureError('store-unfit', message)
    }
    return decoded(last)
  }

  /** The value of a key: with `interop` the id alone where there is nothing else to say, as others write and read it. */
  value({ candidate, advert }: Bid, since: number): string {
    if (this.#interop && advert === undefined && !candidate.startsWith(MARK)) return candidate
    return JSON.stringify({ tenure: 1, candidate, advert, since })
  }

  /** The election that a key belongs to; `undefined` if it is none of ours. */
  election(key: string): string | undefined {
    const parts = key.slice(this.root.length).split('/')
    if (!key.startsWith(this.root) || parts.length !== 2 || parts[0] === undefined) return undefined
    return this.#interop ? parts[0] : decoded(parts[0])
  }
}

/** What the value of a key tells of a leader. */
export interface Told {
  readonly candidate: string
  readonly advert: string | undefined
  /** Since when, by the wall clock of its host, in milliseconds. */
  readonly since: number | undefined
}

/** What a value tells. Whatever does not bear our mark was written by others, and is the id as it stands. */
export function toldBy(value: string): Told {
  if (!value.startsWith(MARK)) return { candidate: value, advert: undefined, since: undefined }
  const { tenure, candidate, advert, since } = parsed(value)
  if (tenure === 1 && typeof candidate === 'string' && isOptional('string', advert) && isOptional('number', since))
    return { candidate, advert, since }
  throw new TenureError('store-unfit', 'etcd: the record of this election has a format that this version does not know')
}

function isOptional(type: 'string', value: unknown): value is string | undefined
function isOptional(type: 'number', value: unknown): value is number | undefined
function isOptional(type: string, value: unknown): boolean {
  return value === undefined || typeof value === type
}

function parsed(json: string): { readonly [Name in 'tenure' | keyof Told]?: unknown } {
  try {
    return JSON.parse(json) as object
  } catch {
    return {}
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
