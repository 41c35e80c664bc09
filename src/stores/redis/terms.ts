/** What a server says of itself before it is asked for leases. */

import { replicaError } from './failures.ts'
import type { Send, Wire, Wires } from './wire.ts'

export interface Terms {
  /** The server forgets nothing that it has answered, not even when it crashes. */
  readonly durable: boolean
}

/** In a Cluster nobody can tell which of its nodes will be asked. */
export async function termsOf(wires: Wires, wire: Wire): Promise<Terms> {
  if (wires.topology === 'cluster') return { durable: false }
  const [send] = await wire.masters()
  if (!send) return { durable: false }
  const [settings, info] = await Promise.all([settingsOf(send, 'append*'), infoOf(send, 'replication')])
  if (info?.get('role') === 'slave') throw replicaError(wires.topology)
  return { durable: settings?.get('appendonly') === 'yes' && settings.get('appendfsync') === 'always' }
}

/** A section of what the server tells of itself; `undefined` where it does not. */
export async function infoOf(send: Send, ...section: string[]): Promise<ReadonlyMap<string, string> | undefined> {
  const text = await unlessRefused(send(['INFO', ...section]))
  if (text === undefined) return undefined
  const info = new Map<string, string>()
  for (const line of String(text).split(/\r?\n/)) {
    const [name, value] = line.split(/:(.*)/s)
    if (name && value !== undefined) info.set(name, value)
  }
  return info
}

/** Settings by name; `undefined` where the server does not tell, as managed ones do not. */
export async function settingsOf(send: Send, pattern: string): Promise<ReadonlyMap<string, string> | undefined> {
  const reply = await unlessRefused(send(['CONFIG', 'GET', pattern]))
  return reply === undefined ? undefined : new Map(pairsOf(reply))
}

async function unlessRefused(asked: Promise<unknown>): Promise<unknown> {
  try {
    return await asked
  } catch (thrown) {
    if (thrown instanceof Error && /^(NOPERM|ERR) /.test(thrown.message)) return undefined
    throw thrown
  }
}

/** Drivers give a map as a list, as a Map or as an object. */
function pairsOf(reply: unknown): (readonly [string, string])[] {
  if (reply instanceof Map) return [...reply].map(([name, value]) => [String(name), String(value)])
  if (Array.isArray(reply)) {
    return reply.flatMap((name: unknown, i) => (i % 2 === 0 ? [[String(name), String(reply[i + 1])] as const] : []))
  }
  if (typeof reply === 'object' && reply !== null) return Object.entries(reply).map(([name, value]) => [name, String(value)])
  return []
}
