/**
 * What stands in the files: the record of a lease, one for each version, and the origin of a chain of versions. These
 * are a wire format. A file that is not ours, or of another format, is refused and never overwritten; one that cannot
 * be read at all was cut short by a loss of power.
 */

import { TenureError } from '../../errors.ts'
import { MAX_BYTES } from './disk.ts'

const FORMAT = 1

/** The socket by which others feel that the process of a leader has ended. */
export interface SocketMark {
  /** Its name in the folder for sockets. Random, and never used twice. */
  readonly name: string
  readonly device: string
  readonly inode: string
  /** When it was made, in nanoseconds: an inode is given out again, never with the same instant. */
  readonly madeAt: string
  /** The boot of the machine that it belongs to. */
  readonly boot: string
  readonly pid: number
}

/** One version of a lease. */
export interface LeaseRecord {
  readonly election: string
  /** The id of the origin that this version descends from. */
  readonly chain: string
  /** Random, so that no two writes are the same bytes. */
  readonly write: string
  readonly holder: string
  readonly candidate: string
  readonly advert?: string | undefined
  readonly fencingToken: number
  /** Wall clock, for people. */
  readonly acquiredAt: number
  /** 0: given back. */
  readonly ttlMs: number
  readonly socket?: SocketMark | undefined
  /** What leaders have left behind; every version carries it on. */
  readonly memo?: string | undefined
}

/** Where a chain begins: no version of it has this number, or a smaller one. */
export interface Origin {
  readonly election: string
  readonly number: number
  readonly id: string
}

export function encodeRecord(record: LeaseRecord): string {
  return `${JSON.stringify({ tenure: 'lease', format: FORMAT, ...record })}\n`
}

export function encodeOrigin(origin: Origin): string {
  return `${JSON.stringify({ tenure: 'origin', format: FORMAT, ...origin })}\n`
}

/** Read a version. `undefined` if nobody can; throws `store-unfit` if it is somebody else's, or of another format. */
export function decodeRecord(bytes: Buffer, path: string, election: string): LeaseRecord | undefined {
  const value = decode(bytes, path, 'lease')
  if (value === undefined) return undefined
  if (!isRecord(value)) throw foreign(path, 'it is no record of a lease')
  if (value.election !== election) throw foreign(path, `it belongs to the election \`${value.election}\`, not to \`${election}\``)
  return value
}

export function decodeOrigin(bytes: Buffer, path: string): Origin {
  const value = decode(bytes, path, 'origin')
  if (value === undefined) throw foreign(path, 'it cannot be read; stop what uses the directory it is in, then remove that directory')
  if (!isOrigin(value)) throw foreign(path, 'it is no origin of an election')
  return value
}

function decode(bytes: Buffer, path: string, kind: string): Record<string, unknown> | undefined {
  if (bytes.length > MAX_BYTES) throw foreign(path, 'it is too long to be ours')
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    // Cut short or overwritten with zeros: not foreign, but nothing that can be read.
    return undefined
  }
  if (!isObject(value)) throw foreign(path, 'it was not written by this store')
  const { tenure, format } = value
  if (tenure !== kind) throw foreign(path, 'it was not written by this store')
  if (format !== FORMAT) throw foreign(path, `its format is ${String(format)}, and this version of tenure reads ${FORMAT}`)
  return value
}

function foreign(path: string, why: string): TenureError {
  return new TenureError('store-unfit', `file: cannot use ${path}: ${why}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isRecord(value: object): value is LeaseRecord {
  const { election, chain, write, holder, candidate, advert, fencingToken, acquiredAt, ttlMs, socket, memo } = value as Partial<LeaseRecord>
  const named = [election, chain, write, holder, candidate].every((text) => typeof text === 'string')
  const counted = [fencingToken, ttlMs].every((count) => Number.isSafeInteger(count) && (count ?? -1) >= 0)
  const told = [advert, memo].every((text) => text === undefined || typeof text === 'string')
  return named && counted && told && typeof acquiredAt === 'number' && (socket === undefined || isSocketMark(socket))
}

function isSocketMark(value: unknown): value is SocketMark {
  if (!isObject(value)) return false
  const { name, device, inode, madeAt, boot, pid } = value
  // A name that leads out of the folder would have us connect to anything.
  return [device, inode, madeAt, boot].every((text) => typeof text === 'string') && typeof pid === 'number' && /^\w+\.sock$/.test(`${name}`)
}

function isOrigin(value: object): value is Origin {
  const { election, number, id } = value as Partial<Origin>
  return typeof election === 'string' && typeof id === 'string' && Number.isSafeInteger(number) && (number ?? 0) > 0
}
