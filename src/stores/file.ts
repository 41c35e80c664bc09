/**
 * Leases in a directory of a local disk: the store that needs no server, for all processes of one user on one host.
 *
 * Whose clock: nobody's but each observer's own, monotonic. A lease is over for who has seen the same bytes for its ttl,
 * or has been refused by the socket of a process that has died. What makes it atomic: `link`, which gives a complete
 * file the next number of a chain, or fails because somebody else has it. Where the token comes from: the larger of the
 * last one plus 1 and the wall clock in microseconds. What is lost with a loss of power: at most the last versions,
 * together with everybody who could believe in them. With a directory that is removed under a leader: the leader is told
 * at once, but until it knows, somebody who never saw it may lead too.
 * Level A on a local disk. Network filesystems are refused where Linux tells them; elsewhere naming a local disk is up
 * to the user. Users, containers and services with a home of their own do not share the default directory.
 */

import type { Server } from 'node:net'
import { isAbsolute, join, normalize } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { badOption, TenureError } from '../errors.ts'
import type { LeaseStore } from '../store.ts'
import { type Disk, systemDisk, unless } from './file/disk.ts'
import { faultOf } from './file/faults.ts'
import { FileLease } from './file/lease.ts'
import { type Lifelines, systemLifelines } from './file/lifeline.ts'
import { checkFilesystem, checkHome, defaultDirectory, directoryNameOf } from './file/place.ts'
import { decodeOrigin } from './file/record.ts'
import { type Filesystem, filesystemOf } from './shared/filesystem.ts'
import { checkMemo } from './shared/memo.ts'

export { defaultDirectory } from './file/place.ts'
export { type Filesystem, filesystemOf } from './shared/filesystem.ts'

/** All are optional. */
export interface FileOptions {
  /**
   * An absolute path on a local disk. Everybody who shall stand in the same elections has to name the same directory.
   * @default `.local/state/tenure` in the home that the user database names (macOS: `Library/Application Support/tenure`,
   * Windows: `AppData\Local\tenure`); no environment variable moves it
   */
  readonly dir?: string | undefined
  /** Time, for tests. @default the system's */
  readonly clock?: Clock | undefined
}

/** A store in files, and what only files can do. */
export interface FileStore extends LeaseStore {
  /** Where the leases are. */
  readonly dir: string
  /**
   * The socket by which others feel that this process has ended, while this store object holds the election. A child that
   * inherits it (`child.send(message, server)`) is felt as this process is, until both have ended.
   */
  livenessServer(election: string): Server | undefined
}

/** @internal What the store stands on; a parameter so that tests can give it a bad disk. */
export interface Ground {
  readonly disk: Disk
  readonly lifelines: Lifelines
  filesystemOf(dir: string): Promise<Filesystem>
}

const systemGround: Ground = { disk: systemDisk, lifelines: systemLifelines, filesystemOf }

/**
 * A store in files, for processes of this host. Throws a `TenureError` of code `bad-option` for a bad option, and
 * `store-unfit` where the user has no home to put a default directory in.
 */
export function file(options: FileOptions = {}): FileStore {
  return fileOn(systemGround, options)
}

/** @internal */
export function fileOn(ground: Ground, options: FileOptions = {}): FileStore {
  checkOptions(options)
  const { clock = systemClock } = options
  const dir = normalize(options.dir ?? defaultDirectory())
  const leases = new Map<string, FileLease>()
  let warned = false

  const unfelt = (why: string): void => {
    if (warned) return
    warned = true
    const message = `file: others will not feel at once when this process ends, only after the ttl: ${why} (${dir})`
    process.emitWarning(message, { type: 'TenureWarning', code: 'expiry-only' })
  }
  const leaseOf = (election: string): FileLease => {
    const known = leases.get(election)
    if (known) return known
    const lease = new FileLease({ election, dir: join(dir, directoryNameOf(election)), clock, prepare, unfelt, ...ground })
    leases.set(election, lease)
    return lease
  }
  const told = async <T>(call: Promise<T>): Promise<T> => {
    try {
      return await call
    } catch (thrown) {
      throw faultOf(thrown, dir)
    }
  }
  let fit = false
  /** Refuse a directory that cannot keep a promise. Asked until it was fit once. */
  const prepare = async (create: boolean): Promise<void> => {
    if (fit) return
    if (create) await make(ground.disk, dir, options.dir === undefined)
    const filesystem = await ground.filesystemOf(dir).catch(unless('ENOENT'))
    if (filesystem) checkFilesystem(dir, filesystem)
    fit = filesystem !== undefined
  }

  return {
    name: 'file',
    dir,
    expiry: 'observed',

    acquire: (bid, signal) => told(leaseOf(bid.election).acquire(bid, signal)),
    renew: (bid, signal) => told(leaseOf(bid.election).renew(bid, signal)),
    release: (hold, signal) => told(leaseOf(hold.election).release(hold, signal)),
    read: (election, signal) => told(leaseOf(election).read(signal)),
    watch: (election, changed, signal) => told(leaseOf(election).watch(changed, signal)),
    list: (signal) => told(unlessAborted(signal, () => electionsIn(ground.disk, dir))),
    memo: {
      read: (election, signal) => told(leaseOf(election).recall(signal)),
      async write(author, text, signal) {
        checkMemo(text)
        return told(leaseOf(author.election).remember(author, text, signal))
      },
    },
    livenessServer: (election) => leases.get(election)?.server(),

    async close() {
      await Promise.all([...leases.values()].map((lease) => lease.close()))
    },
  }
}

async function make(disk: Disk, dir: string, chosenByUs: boolean): Promise<void> {
  if (chosenByUs) await checkHome()
  await disk.makeDirectory(dir)
}

/** Every directory with an origin is an election; anything else in there is none of ours. */
async function electionsIn(disk: Disk, dir: string): Promise<string[]> {
  const names = (await disk.list(dir).catch(unless('ENOENT'))) ?? []
  const elections = await Promise.all(names.map((name) => electionIn(disk, join(dir, name, 'origin'))))
  return elections.filter((election) => election !== undefined)
}

async function electionIn(disk: Disk, path: string): Promise<string | undefined> {
  const bytes = await disk.read(path).catch(unless('ENOENT', 'ENOTDIR', 'EACCES'))
  try {
    return bytes && decodeOrigin(bytes, path).election
  } catch {
    // One that cannot be used says so when it is asked for; here it must not hide the others.
    return undefined
  }
}

/** Wait for something, but not for longer than the caller does. */
function unlessAborted<T>(signal: AbortSignal, begin: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const abandon = () => reject(signal.reason)
    signal.addEventListener('abort', abandon, { once: true })
    begin()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abandon))
  })
}

function checkOptions(options: FileOptions): void {
  if (typeof options !== 'object' || options === null) throw badOption('options', 'an object', options)
  const { dir, clock, ...unknown } = options
  const [other] = Object.keys(unknown)
  if (other !== undefined) throw new TenureError('bad-option', `Unknown option \`${other}\`: expected one of dir, clock`)
  // A relative path is another directory for each working directory: two leaders.
  if (dir !== undefined && (typeof dir !== 'string' || !isAbsolute(dir) || dir.includes('\0')))
    throw badOption('dir', 'an absolute path', dir)
  const methods = ['mono', 'wall', 'timer', 'afterPending', 'random', 'id'] as const
  if (clock !== undefined && !methods.every((name) => typeof clock?.[name] === 'function')) {
    throw badOption('clock', `an object with the methods ${methods.join(', ')}`, clock)
  }
}
