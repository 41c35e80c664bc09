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

  /** The election that a key belongs to; `undefined` if it is none of ours. */
  election(key: string): string | undefined {
    const parts = key.slice(this.root.length).split('/')
    if (!key.startsWith(this.root) || parts.length !== 2 || parts[0] === undefined) return undefined
    return this.#interop ? parts[0] : decoded(parts[0])
  }
}

/** The id alone, readable for everybody, where there is nothing else to say. */
export function toldBy({ candidate, advert }: Bid): string {
  return advert === undefined && !candidate.startsWith(MARK) ? candidate : JSON.stringify({ tenure: 1, candidate, advert })
}

/** What a value tells. Whatever does not bear our mark was written by others, and is the id as it stands. */
export function tellerOf(value: string): { readonly candidate: string; readonly advert: string | undefined } {
  if (!value.startsWith(MARK)) return { candidate: value, advert: undefined }
  const { tenure, candidate, advert } = parsed(value)
  if (tenure === 1 && typeof candidate === 'string' && (advert === undefined || typeof advert === 'string')) return { candidate, advert }
  throw new TenureError('store-unfit', 'etcd: the record of this election has a format that this version does not know')
}

function parsed(json: string): { readonly tenure?: unknown; readonly candidate?: unknown; readonly advert?: unknown } {
  try {
    return JSON.parse(json) as { tenure?: unknown }
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
