/**
 * Which filesystem a directory is on, and whether other machines may share it. Told apart on Linux only: elsewhere the
 * kind is unknown, and it is on the user to name a local disk.
 */

import { readFile, realpath, statfs } from 'node:fs/promises'

/** What a directory is on. */
export interface Filesystem {
  /** E.g. `ext4` or `fuse.sshfs`; `unknown` where the system does not say. */
  readonly kind: string
  /** Other machines, or the host of this virtual one, may use it too. */
  readonly network: boolean
}

/** `f_type` of filesystems that several machines share, as the kernel's headers name them. */
const shared: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x517b, 'smb'],
  [0x01021997, '9p'],
  [0x00c36400, 'ceph'],
  [0x5346414f, 'afs'],
  [0x6b414653, 'kafs'],
  [0x73757245, 'coda'],
  [0x564c, 'ncp'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2'],
  [0x19830326, 'beegfs'],
  [0x20030528, 'orangefs'],
  [0xaad7aaea, 'panfs'],
  [0x786f4256, 'vboxsf'],
  [0xbacbacbc, 'vmhgfs'],
  [0x7c7c6673, 'prl_fs'],
  [0x00c0ffee, 'hostfs'],
  [0x013111a8, 'ibrix'],
])

/** Behind this one may be anything: only a block device is known to be of this machine. */
const FUSE = 0x65735546
const localFuse = new Set(['fuseblk'])

/** The filesystem of a directory that exists. */
export async function filesystemOf(path: string): Promise<Filesystem> {
  if (process.platform !== 'linux') return { kind: 'unknown', network: false }
  const magic = (await statfs(path)).type >>> 0
  const name = shared.get(magic)
  if (name !== undefined) return { kind: name, network: true }
  const kind = await mountKind(path)
  if (magic !== FUSE) return { kind: kind ?? `0x${magic.toString(16)}`, network: false }
  return { kind: kind ?? 'fuse', network: !localFuse.has(kind ?? 'fuse') }
}

/** What the table of mounts calls it; `undefined` where there is no such table. */
async function mountKind(path: string): Promise<string | undefined> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  return kindIn(table, await realpath(path))
}

/** The type of the mount that a path is on: of the longest mount point that contains it, the one mounted last. */
export function kindIn(table: string, path: string): string | undefined {
  let found: { readonly point: string; readonly kind: string } | undefined
  for (const line of table.split('\n')) {
    const [mount = '', rest = ''] = line.split(' - ')
    const point = unescaped(mount.split(' ')[4] ?? '')
    const kind = rest.split(' ')[0]
    if (!kind || point === '' || !contains(point, path)) continue
    if (!found || point.length >= found.point.length) found = { point, kind }
  }
  return found?.kind
}

function contains(point: string, path: string): boolean {
  return point === '/' || path === point || path.startsWith(`${point}/`)
}

/** Spaces and the like stand as octal numbers in that table. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
