/** Which elections a server knows, for people: it goes through all keys of the database, piece by piece. */

import { electionOf, patternOf } from './keys.ts'
import type { Send, Wire } from './wire.ts'

const PIECE = 1000

export async function namesIn(wire: Wire, prefix: string, signal: AbortSignal): Promise<readonly string[]> {
  const names = new Set<string>()
  for (const send of await wire.masters()) {
    for await (const key of keysOn(send, patternOf(prefix), signal)) {
      const election = electionOf(prefix, key)
      if (election !== undefined) names.add(election)
    }
  }
  return [...names]
}

async function* keysOn(send: Send, pattern: string, signal: AbortSignal): AsyncGenerator<string> {
  let cursor = '0'
  do {
    signal.throwIfAborted()
    const reply = await send(['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(PIECE)])
    const [next, keys]: unknown[] = Array.isArray(reply) ? reply : []
    cursor = String(next ?? '0')
    for (const key of Array.isArray(keys) ? keys : []) yield String(key)
  } while (cursor !== '0')
}
