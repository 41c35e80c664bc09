/**
 * The few things the file store asks of a filesystem, as a parameter, so that a disk that is full, slow or strange can
 * be had in a test. It may assume that names are absolute. It must never say that data is on the disk before it is.
 */

import { constants, type FSWatcher, watch } from 'node:fs'
import { link, mkdir, open, readdir, stat, unlink, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface Disk {
  list(path: string): Promise<string[]>
  /** The first `MAX_BYTES + 1` bytes of a file. */
  read(path: string): Promise<Buffer>
  /** Make a file that nobody has made yet; resolves when its data is on the disk. */
  write(path: string, text: string): Promise<void>
  /** Give a file a second name. Rejects with EEXIST where that name is taken: what the whole store rests on. */
  link(path: string, name: string): Promise<void>
  /** Quiet where there is nothing. */
  remove(path: string): Promise<void>
  makeDirectory(path: string): Promise<void>
  /** Make a file look changed, and make it where it is missing. Needs no space where it is there. */
  touch(path: string, wallMs: number): Promise<void>
  /** Which file bears this name at the moment. */
  identity(path: string): Promise<string>
  /** Told whenever something happens to this one file; `rename` where it lost its name. Does not keep the process alive. */
  watch(path: string, happened: (event: string) => void): FSWatcher
}

/** No record of ours is longer. */
export const MAX_BYTES = 48 * 1024

export const systemDisk: Disk = {
  list: (path) => readdir(path),

  async read(path) {
    const file = await open(path, constants.O_RDONLY)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(MAX_BYTES + 1), 0, MAX_BYTES + 1, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  },

  async write(path, text) {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.datasync()
    } finally {
      await file.close()
    }
  },

  link,

  remove: (path) => unlink(path).catch(unless('ENOENT')),

  async makeDirectory(path) {
    // Not with `recursive`: the runtime says ENOENT where a read-only filesystem is the reason, and never ends where the
    // parent is there and nothing can be made in it, as in /proc.
    const made = await mkdir(path, { mode: 0o700 }).then(() => true, unless('EEXIST', 'ENOENT'))
    if (made || (await isDirectory(path)) || dirname(path) === path) return
    await this.makeDirectory(dirname(path))
    await mkdir(path, { mode: 0o700 }).catch(async (thrown: unknown) => {
      if (codeOf(thrown) !== 'EEXIST' || !(await isDirectory(path))) throw thrown
    })
  },

  async touch(path, wallMs) {
    const file = await utimes(path, wallMs / 1000, wallMs / 1000).catch((thrown: unknown) => {
      if (codeOf(thrown) !== 'ENOENT') throw thrown
      return open(path, 'a', 0o600)
    })
    await file?.close()
  },

  async identity(path) {
    const { dev, ino, birthtimeNs } = await stat(path, { bigint: true })
    return `${dev}:${ino}:${birthtimeNs}`
  },

  watch: (path, happened) => watch(path, { persistent: false }, happened),
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(unless('ENOENT')))?.isDirectory() === true
}

/** The code of an error of the system, e.g. `ENOENT`; `undefined` for anything else. */
export function codeOf(thrown: unknown): string | undefined {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  return typeof code === 'string' ? code : undefined
}

/** For `catch`: errors with these codes are an answer, not a fault. */
export function unless(...codes: readonly string[]): (thrown: unknown) => undefined {
  return (thrown) => {
    if (!codes.includes(codeOf(thrown) ?? '')) throw thrown
  }
}
