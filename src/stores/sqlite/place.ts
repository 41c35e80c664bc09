/**
 * The file below a connection: where it is, and whether the path still leads to it. Two files are two leaders, and a
 * connection goes on in a file that has been deleted as if nothing had happened. Must never open the file: closing it
 * again would drop every lock that SQLite has on it in this process.
 */

import { statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { TenureError } from '../../errors.ts'
import type { Filesystem } from '../shared/filesystem.ts'

/** All three are one database; none of them is ever made anew while a connection is open. */
const parts = ['', '-wal', '-shm']

export class Place {
  readonly file: string
  readonly #identities: readonly (string | undefined)[]

  /** May assume that the connection has read, so that all of its files are there. */
  constructor(file: string) {
    this.file = file
    this.#identities = parts.map((part) => identityOf(file + part))
  }

  /** Throws where the system does not say, which proves nothing. */
  get moved(): boolean {
    return parts.some((part, i) => identityOf(this.file + part) !== this.#identities[i])
  }

  /** Whether this process has these very files open; `true` where the system does not tell. */
  async isOpen(): Promise<boolean> {
    const folder = '/proc/self/fd'
    const descriptors = await readdir(folder).catch(() => undefined)
    if (!descriptors) return true
    const open = await Promise.all(descriptors.map((name) => stat(`${folder}/${name}`).then(identity, () => undefined)))
    return this.#identities.every((known) => known !== undefined && open.includes(known))
  }
}

/** Refuse a file that other machines share: neither its locks nor its clocks are those of one host. */
export function checkFilesystem(file: string, { kind, network }: Filesystem): void {
  if (!network) return
  const where = `it is on a network filesystem or a shared folder (${kind})`
  throw new TenureError('store-unfit', `sqlite: cannot use ${file}: ${where}. Use a file on a local disk`)
}

/** A number that was freed is not used again while a connection has the file open. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found && identity(found)
}

function identity({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev}:${ino}`
}
