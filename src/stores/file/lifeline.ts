/**
 * The socket by which others feel that a process has ended. A leader listens and says nothing; the system closes the
 * socket with the process, however it dies, and whoever tries it then is refused. May assume that a socket, once closed,
 * is never listened on again: each gets a fresh name, and nobody but its maker removes it. Only one answer means death;
 * every other one means nothing.
 */

import { constants } from 'node:fs'
import { lstat, mkdir, mkdtemp, open, rename, rm, symlink, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../clock.ts'
import { bootId } from '../shared/boot.ts'
import { codeOf, unless } from './disk.ts'
import type { SocketMark } from './record.ts'

/** The longest path that fits into the address of a socket, in bytes, without its end. */
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103

/** One listening socket, open from before a bid until after its release. */
export interface Lifeline {
  readonly mark: SocketMark
  readonly server: Server
  /** From now on others are refused, as if this process had ended. Keep its name where nothing else tells them. */
  close(keepName?: 'keep name'): Promise<void>
}

/** `unfelt`: why the end of this process will not be felt, and others have to wait for the ttl. */
export type Listening = Lifeline | { readonly unfelt: string }

/** Alive: the connection stands, and ends with the process. Silent: nothing is known. */
export type Sign = Socket | 'dead' | 'silent'

/** What the store needs of sockets. */
export interface Lifelines {
  listen(folder: string): Promise<Listening>
  probe(folder: string, mark: SocketMark): Promise<Sign>
}

export const systemLifelines: Lifelines = {
  async listen(folder) {
    const boot = await bootId()
    if (boot === undefined) return { unfelt: 'this system does not tell one boot from another' }
    try {
      // Made once, and there ever after.
      return await listenIn(folder, boot).catch(async (thrown: unknown) => {
        if (codeOf(thrown) !== 'EACCES' && codeOf(thrown) !== 'ENOENT') throw thrown
        await mkdir(folder, { recursive: true, mode: 0o700 })
        return listenIn(folder, boot)
      })
    } catch (thrown) {
      return { unfelt: thrown instanceof Error ? thrown.message : String(thrown) }
    }
  },

  async probe(folder, mark) {
    const boot = await bootId()
    if (boot === undefined || boot !== mark.boot) return 'silent'
    try {
      const found = await identityOf(join(folder, mark.name))
      if (found.device !== mark.device || found.inode !== mark.inode || found.madeAt !== mark.madeAt) return 'silent'
      return await withShortPath(folder, mark.name, (path) => connectTo(path, mark.pid))
    } catch {
      // No socket, no right to it, no descriptor left: none of it proves that anybody died.
      return 'silent'
    }
  },
}

async function listenIn(folder: string, boot: string): Promise<Lifeline> {
  const id = systemClock.id().slice(0, 16)
  const name = `${id}.sock`
  const path = join(folder, name)
  const accepted = new Set<Socket>()
  const server = createServer((socket) => {
    accepted.add(socket)
    socket.unref()
    socket.on('close', () => accepted.delete(socket))
    // What ends a follower's connection is the follower's business.
    socket.on('error', () => socket.destroy())
    socket.resume()
  })
  // In a cluster the primary would own the socket otherwise, and outlive the worker.
  await withShortPath(folder, `${id}.new`, (short) => begun(server, () => server.listen({ path: short, exclusive: true })))
  server.unref()
  // Connections that cannot be accepted wait in line, which is as good: they are connected.
  server.on('error', () => {})
  try {
    // The runtime removes the name it knows when a program ends in any other way than by a signal. A socket that is gone
    // proves nothing; one that is there and refuses does.
    await rename(join(folder, `${id}.new`), path)
    const mark: SocketMark = { name, ...(await identityOf(path)), boot, pid: process.pid }
    return { mark, server, close: (keepName) => closeAll(server, accepted, keepName ? undefined : path) }
  } catch (thrown) {
    await closeAll(server, accepted, path)
    throw thrown
  }
}

async function closeAll(server: Server, accepted: ReadonlySet<Socket>, path: string | undefined): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  for (const socket of accepted) socket.destroy()
  await closed
  if (path !== undefined) await unlink(path).catch(unless('ENOENT'))
}

function begun(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    listen()
  })
}

function connectTo(path: string, pid: number): Promise<Sign> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.unref()
    socket.once('connect', () => resolve(socket))
    socket.on('error', (error) => resolve(codeOf(error) === 'ECONNREFUSED' && provesDeath(pid) ? 'dead' : 'silent'))
    socket.resume()
  })
}

/** Linux refuses only where nobody listens. Elsewhere a full queue refuses too: ask for the process itself. */
function provesDeath(pid: number): boolean {
  if (process.platform === 'linux') return true
  try {
    process.kill(pid, 0)
    return false
  } catch (thrown) {
    return codeOf(thrown) === 'ESRCH'
  }
}

async function identityOf(path: string): Promise<Pick<SocketMark, 'device' | 'inode' | 'madeAt'>> {
  const { dev, ino, mtimeNs } = await lstat(path, { bigint: true })
  return { device: `${dev}`, inode: `${ino}`, madeAt: `${mtimeNs}` }
}

/** Use a socket under a path that fits into its address: the path itself, or one through a link to its folder. */
async function withShortPath<T>(folder: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(folder, name)
  if (Buffer.byteLength(path) <= LONGEST_PATH) return use(path)
  return process.platform === 'linux' ? throughDescriptor(folder, name, use) : throughLink(folder, name, use)
}

async function throughDescriptor<T>(folder: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return await use(`/proc/self/fd/${handle.fd}/${name}`)
  } finally {
    await handle.close()
  }
}

async function throughLink<T>(folder: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const own = await mkdtemp(join(tmpdir(), 'tenure-'))
  try {
    await symlink(folder, join(own, 'l'))
    const path = join(own, 'l', name)
    if (Buffer.byteLength(path) > LONGEST_PATH) throw new Error(`no path to ${folder} fits into the address of a socket`)
    return await use(path)
  } finally {
    await rm(own, { recursive: true })
  }
}
