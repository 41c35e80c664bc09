/**
 * Writes to Redis that a stale leader cannot make: the largest token seen is kept beside the data, and compared in the
 * same script that writes. It may assume that all who write the same data write it through here.
 */

import { badOption, TenureError } from '../../errors.ts'
import { type RedisClient, recognise } from './client.ts'
import { encodeName, prefixOf } from './keys.ts'
import { Script } from './scripts.ts'

/** What a `Tenure` tells, or what a child process finds in its environment. */
export interface FencedTenure {
  readonly election: string
  readonly fencingToken: number
}

/** What is guarded, where it is not the election. */
export interface FencedOptions {
  /** What is guarded, where it is not what the election is named after. @default the name of the election */
  readonly resource?: string | undefined
}

/** A command as it would be typed, e.g. `['SET', 'report', 'done']`. */
export type Command = readonly [string, ...(string | number)[]]

/** KEYS fence. ARGV token, then the length and the words of each command. */
const fencedScript = new Script(`
local token, seen = tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or '0')
if seen > token then return {'stale', string.format('%.0f', seen)} end
if seen < token then redis.call('SET', KEYS[1], ARGV[1]) end
local replies, at = {}, 2
while at <= #ARGV do
  local count, words = tonumber(ARGV[at]), {}
  for i = 1, count do words[i] = ARGV[at + i] end
  replies[#replies + 1] = redis.call(unpack(words))
  at = at + count + 1
end
return {'done', replies}
`)

/**
 * Run commands in one script, unless a larger token has been seen. Resolves with what each was answered. Without any
 * command it only raises the fence: a new leader that begins with that has shut out all who led before.
 *
 * Goes through the client that is given, which has to be connected. As in MULTI, a command that fails leaves those
 * before it done. Keys are taken as they are written, without the `keyPrefix` of the client; in a Cluster they need the
 * hash tag `{election}` (or `{resource}`). Throws a `TenureError` of code `stale-token`; what Redis refuses is thrown as
 * the client throws it.
 */
export async function fenced(
  client: RedisClient,
  { election, fencingToken }: FencedTenure,
  commands: readonly Command[],
  { resource = election }: FencedOptions = {},
): Promise<readonly unknown[]> {
  if (!Number.isSafeInteger(fencingToken) || fencingToken < 1) throw badOption('fencingToken', 'a safe integer, at least 1', fencingToken)
  if (typeof resource !== 'string' || resource === '') throw badOption('resource', 'a non-empty string', resource)
  const { send, prefix } = senderOf(client)
  const words = commands.flatMap((command) => [command.length, ...command])
  const reply = await fencedScript.run({ send }, [`${prefix}tenure:{${encodeName(resource)}}:fence`], [fencingToken, ...words])
  const [kind, rest]: unknown[] = Array.isArray(reply) ? reply : []
  if (kind === 'done' && Array.isArray(rest)) return rest
  if (kind === 'stale') throw new TenureError('stale-token', `Fencing token ${fencingToken} is stale: ${String(rest)} has been seen`)
  throw new TenureError('store-unfit', `redis: fenced answered ${String(reply)}, which is no answer of ours`)
}

/** How this client sends one command as it is, and what it would not put before a key by itself. */
function senderOf(given: RedisClient) {
  const { kind, client } = recognise(given)
  switch (kind) {
    case 'ioredis':
    case 'ioredis-cluster':
      return { send: (_key: string, [command = '', ...args]: readonly string[]) => client.call(command, args), prefix: '' }
    case 'node-redis':
      return { send: (_key: string, args: readonly string[]) => client.sendCommand([...args]), prefix: prefixOf(client.options?.keyPrefix) }
    case 'node-redis-cluster':
      return {
        send: (key: string, args: readonly string[]) => client.sendCommand(key, false, [...args]),
        prefix: prefixOf(client._keyPrefix),
      }
    case 'node-redis-sentinel':
      return { send: (_key: string, args: readonly string[]) => client.sendCommand(false, [...args]), prefix: prefixOf(client._keyPrefix) }
    default:
      return kind satisfies never
  }
}
