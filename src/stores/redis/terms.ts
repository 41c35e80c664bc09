/** What a server says of itself before it is asked for leases. */

import type { Send, Wire, Wires } from './wire.ts'

export interface Terms {
  /** The server forgets nothing that it has answered, not even when it crashes. */
  readonly durable: boolean
}

/** In a Cluster nobody can tell which of its nodes will be asked. */
export async function termsOf(wires: Wires, wire: Wire): Promise<Terms> {
  if (wires.topology === 'cluster') return { durable: false }
  const [send] = await wire.masters()
  const settings = send && (await settingsOf(send, 'append*'))
  return { durable: settings?.get('appendonly') === 'yes' && settings.get('appendfsync') === 'always' }
}

/** Settings by name; `undefined` where the server does not tell, as managed ones do not. */
export async function settingsOf(send: Send, pattern: string): Promise<ReadonlyMap<string, string> | undefined> {
  let reply: unknown
  try {
    reply = await send(['CONFIG', 'GET', pattern])
  } catch (thrown) {
    if (isRefused(thrown)) return undefined
    throw thrown
  }
  return new Map(pairsOf(reply))
}

function isRefused(thrown: unknown): boolean {
  return thrown instanceof Error && /^(NOPERM|ERR) /.test(thrown.message)
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
