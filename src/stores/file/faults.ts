/**
 * What the system says when a file cannot be had, as an error of a store that a person can act on. Every message names
 * the directory: it is the first thing to look at.
 */

import { TenureError } from '../../errors.ts'
import { codeOf } from './disk.ts'

const denied: Readonly<Record<string, string>> = {
  EACCES: 'this user may not read and write there',
  EPERM: 'the system does not permit writing there',
}

const unfit: Readonly<Record<string, string>> = {
  EROFS: 'it is on a filesystem that is mounted read-only',
  ENOTDIR: 'a file is where a directory has to be',
  EEXIST: 'a file is where a directory has to be',
  EISDIR: 'a directory is where a file has to be',
  ENAMETOOLONG: 'its path is too long for this system',
  ELOOP: 'its path is a loop of symbolic links',
}

const unreachable: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
  EFBIG: 'files are limited to less than a record is long',
  EMFILE: 'this process has too many open files',
  ENFILE: 'the system has too many open files',
  ENOMEM: 'the system is out of memory',
  EIO: 'the disk fails',
}

/** An error of the system as an error of the store; any other error as it is. */
export function faultOf(thrown: unknown, dir: string): unknown {
  const code = codeOf(thrown)
  if (code === undefined || thrown instanceof TenureError) return thrown
  const say = (what: string) => `file: cannot use ${dir}: ${what} (${code})`
  if (Object.hasOwn(denied, code)) {
    return new TenureError(
      'store-denied',
      `${say(denied[code] ?? '')}. Name a directory of its own: file({ dir }), or file:/path as the URL of the store`,
      { cause: thrown },
    )
  }
  if (Object.hasOwn(unfit, code)) return new TenureError('store-unfit', say(unfit[code] ?? ''), { cause: thrown })
  const sentence = unreachable[code] ?? (thrown instanceof Error ? thrown.message : 'it cannot be read or written')
  return new TenureError('store-unreachable', say(sentence), { cause: thrown })
}

/** What `link` says where it is not supported. EPERM is that too: the file is our own. */
const linkless = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

/** An error of `link`: a filesystem without hard links cannot carry this store. */
export function linkFaultOf(thrown: unknown, dir: string): unknown {
  const code = codeOf(thrown)
  if (code === undefined || !linkless.has(code)) return thrown
  return new TenureError('store-unfit', `file: cannot use ${dir}: its filesystem has no hard links, which elections need (${code})`, {
    cause: thrown,
  })
}
