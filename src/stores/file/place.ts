/**
 * Where leases are kept: the directory of a user, a name for the directory of each election in it, and the filesystem
 * below. Two directories are two leaders, so no environment variable may have a say: cron, sudo and a login shell
 * differ in those.
 */

import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { type UserInfo, userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { messageOf, TenureError } from '../../errors.ts'
import type { Filesystem } from '../shared/filesystem.ts'
import { codeOf } from './disk.ts'

const advice = 'Name a directory on a local disk: file({ dir }), or file:/path as the URL of the store'

/**
 * The directory of the user who runs this process. Throws a `TenureError` of code `store-unfit` where that user has no
 * usable home.
 */
export function defaultDirectory(): string {
  const home = homeOf(currentUser())
  if (process.platform === 'darwin') return join(home, 'Library', 'Application Support', 'tenure')
  if (process.platform === 'win32') return join(home, 'AppData', 'Local', 'tenure')
  return join(home, '.local', 'state', 'tenure')
}

/** The home that the user database names; `HOME` may say what it likes. */
export function homeOf(user: Pick<UserInfo<string>, 'homedir' | 'username'>): string {
  if (isAbsolute(user.homedir) && user.homedir !== '/') return user.homedir
  throw new TenureError('store-unfit', `file: the user \`${user.username}\` has no home directory (\`${user.homedir}\`). ${advice}`)
}

function currentUser(): UserInfo<string> {
  try {
    return userInfo()
  } catch (thrown) {
    throw new TenureError('store-unfit', `file: this user is not in the user database: ${messageOf(thrown)}. ${advice}`, { cause: thrown })
  }
}

/** Refuse a default directory below a home that is not there. */
export async function checkHome(): Promise<void> {
  const home = homeOf(currentUser())
  const found = await stat(home).catch((thrown: unknown) => {
    if (codeOf(thrown) === 'ENOENT' || codeOf(thrown) === 'ENOTDIR') return undefined
    throw thrown
  })
  if (!found?.isDirectory()) throw new TenureError('store-unfit', `file: the home directory ${home} does not exist. ${advice}`)
}

/** Refuse a directory that other machines share: its `link` and its clocks are not those of one host. */
export function checkFilesystem(dir: string, { kind, network }: Filesystem): void {
  if (!network) return
  throw new TenureError('store-unfit', `file: cannot use ${dir}: it is on a network filesystem or a shared folder (${kind}). ${advice}`)
}

/**
 * The name of an election's directory: what people can read of it, and a hash, so that no two are one for any
 * filesystem, whatever it thinks of case, accents and length.
 */
export function directoryNameOf(election: string): string {
  const readable = election
    .replace(/[^A-Za-z0-9_]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 24)
  return `${readable || 'election'}.${createHash('sha256').update(election).digest('hex').slice(0, 16)}`
}
