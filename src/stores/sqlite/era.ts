/**
 * Which clock the instants in a row belong to. The monotonic clock of a host is one for all its processes, but begins
 * anew with each boot, and may differ between namespaces of time: instants of another era say nothing about now.
 */

import { readlink } from 'node:fs/promises'
import { systemClock } from '../../clock.ts'
import { bootId } from '../shared/boot.ts'

let known: Promise<string> | undefined

/** Equal for those whose instants can be compared. Never changes. */
export function era(): Promise<string> {
  known ??= readEra()
  return known
}

async function readEra(): Promise<string> {
  const boot = await bootId()
  // Nobody but this process is known to share its clock: others go by observation.
  if (boot === undefined) return `process ${systemClock.id()}`
  // An older kernel has no such namespaces, other systems neither.
  const namespace = await readlink('/proc/self/ns/time').catch(() => '')
  return `boot ${boot} ${namespace}`.trim()
}
