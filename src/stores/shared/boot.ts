/** Tells one boot of this machine from another: what was true of processes, sockets and clocks ends with it. */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'

let boot: Promise<string | undefined> | undefined

/** Names the time since this machine was started; `undefined` where the system does not say. Never changes. */
export function bootId(): Promise<string | undefined> {
  boot ??= readBootId()
  return boot
}

async function readBootId(): Promise<string | undefined> {
  if (process.platform === 'linux') {
    // Unreadable is an answer too: then nothing is known of what others have left behind.
    const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
    return text.trim() || undefined
  }
  if (process.platform !== 'darwin') return undefined
  return new Promise((resolve) => {
    execFile('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], (error, out) => resolve(error ? undefined : out.trim() || undefined))
  })
}
