/**
 * What is done inside of the server: each verb of the contract is one script, atomic because Redis runs nothing beside
 * it, and timed by the server's clock, which stands still while a script runs.
 *
 * `lease` is a hash that Redis itself removes when its time is over: h holder, t token, c candidate, a advert, s when it
 * began (microseconds), m its ttl, f format. `token` never expires: t the largest token, h its holder, x a holder that
 * was released before its bid came, f format. `memo` is a text that never expires. An absent lease and a present token are what "released" and "expired"
 * look like.
 */

import { createHash } from 'node:crypto'
import type { Wire } from './wire.ts'

export class Script {
  readonly #lua: string
  readonly #sha: string

  constructor(lua: string) {
    this.#lua = lua
    this.#sha = createHash('sha1').update(lua).digest('hex')
  }

  /** A server that does not know the script, because it was restarted, is given it once. */
  async run(wire: Pick<Wire, 'send'>, keys: readonly string[], args: readonly (string | number)[], signal?: AbortSignal): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args.map(String)]
    const [key = ''] = keys
    try {
      return await wire.send(key, ['EVALSHA', this.#sha, ...rest])
    } catch (thrown) {
      if (!(thrown instanceof Error && thrown.message.startsWith('NOSCRIPT'))) throw thrown
      signal?.throwIfAborted()
      return wire.send(key, ['EVAL', this.#lua, ...rest])
    }
  }
}

/** Common to all: whether a hash of ours is in the key, and what is left of a lease that is. */
const prelude = `
local function foreign(key, format)
  if format == '1' then return false end
  if not format and redis.call('EXISTS', key) == 0 then return false end
  return {'unfit', key, format or ''}
end
-- A lease has no more than its ttl to go, whatever the clock was set to or somebody did to the key.
local function left(key, ttl)
  local ms = redis.call('PTTL', key)
  if ms >= 0 and ms <= ttl then return ms, false end
  return ttl, true
end
local function micros()
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end
`

/**
 * KEYS lease token. ARGV holder ttl candidate settles force advert?
 *
 * A lease that this server cannot have seen end (the record is older than its start, or lost) is not given away before
 * the server has run for a ttl: its holder may still believe. Uptime is in whole seconds, so that one more is waited.
 */
export const acquireScript = new Script(`${prelude}
local holder, ttl = ARGV[1], tonumber(ARGV[2])
local c = redis.call('HMGET', KEYS[1], 'h', 't', 'c', 'a', 's', 'm', 'f')
local bad = foreign(KEYS[1], c[7])
if bad then return bad end
local now = micros()
if c[1] then
  local most = tonumber(c[6])
  local ms, odd = left(KEYS[1], most)
  if odd then redis.call('PEXPIRE', KEYS[1], most) end
  return {'lease', c[1], c[2], ms, c[3], c[4], math.floor((now - c[5]) / 1000)}
end
local k = redis.call('HMGET', KEYS[2], 'h', 't', 'x', 'f')
bad = foreign(KEYS[2], k[4])
if bad then return bad end
if k[1] == holder or k[3] == holder then return {'over'} end
if ARGV[5] ~= '1' then
  local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)')
  if policy ~= 'noeviction' then return {'evicting', policy or 'unknown'} end
end
if ARGV[4] == '1' then
  local up = tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)'))
  local sure = (up - 1) * 1000
  if sure < ttl and not (k[2] and tonumber(k[2]) > now - sure * 1000) then return {'settling', ttl - sure} end
end
local last = tonumber(k[2] or '0')
local token = string.format('%.0f', now > last and now or last + 1)
redis.call('HSET', KEYS[2], 't', token, 'h', holder, 'f', '1')
redis.call('HSET', KEYS[1], 'h', holder, 't', token, 'c', ARGV[3], 's', string.format('%.0f', now), 'm', ttl, 'f', '1')
if ARGV[6] then redis.call('HSET', KEYS[1], 'a', ARGV[6]) end
local limited = redis.pcall('PEXPIRE', KEYS[1], ttl)
if type(limited) ~= 'number' then
  -- A user without this right must not leave a lease for ever.
  redis.call('DEL', KEYS[1])
  return limited
end
return {'lease', holder, token, ttl, ARGV[3], ARGV[6] or false, 0}
`)

/** KEYS leases. ARGV holder and ttl of each. One that fails, e.g. for its type, does not stop its neighbours. */
export const renewScript = new Script(`
local out = {}
for i = 1, #KEYS do
  local holder, ttl = ARGV[2 * i - 1], ARGV[2 * i]
  local c = redis.pcall('HMGET', KEYS[i], 'h', 'm')
  if c.err then
    out[i] = c.err
  elseif c[1] ~= holder then
    out[i] = 0
  else
    local done = c[2] == ttl and 0 or redis.pcall('HSET', KEYS[i], 'm', ttl)
    if type(done) == 'number' then done = redis.pcall('PEXPIRE', KEYS[i], ttl) end
    out[i] = type(done) == 'number' and tonumber(ttl) or done.err
  end
end
return out
`)

/**
 * KEYS lease token. ARGV holder channel election.
 *
 * One that overtook its own bid leaves a word for it, so that the bid finds itself over. Telling others is a hint: a
 * user who may not publish still gives back the lease.
 */
export const releaseScript = new Script(`${prelude}
local c = redis.call('HMGET', KEYS[1], 'h', 'f')
local bad = foreign(KEYS[1], c[2])
if bad then return bad end
if c[1] == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.pcall('PUBLISH', ARGV[2], ARGV[3])
  return {'released'}
end
local k = redis.call('HMGET', KEYS[2], 'h', 'f')
bad = foreign(KEYS[2], k[2])
if bad then return bad end
if k[1] ~= ARGV[1] then redis.call('HSET', KEYS[2], 'x', ARGV[1], 'f', '1') end
return {'over'}
`)

/** KEYS lease memo. ARGV token text. The lease is there for as long as it lives. */
export const rememberScript = new Script(`${prelude}
local c = redis.call('HMGET', KEYS[1], 't', 'f')
local bad = foreign(KEYS[1], c[2])
if bad then return bad end
if c[1] ~= ARGV[1] then return {'over'} end
-- Fails where somebody keeps something else there.
redis.call('GET', KEYS[2])
redis.call('SET', KEYS[2], ARGV[2])
return {'written'}
`)

/** KEYS memo. A script, because drivers may send a GET to a replica, which may be behind. */
export const recallScript = new Script(`return {'memo', redis.call('GET', KEYS[1])}`)

/** KEYS lease. */
export const readScript = new Script(`${prelude}
local c = redis.call('HMGET', KEYS[1], 'h', 't', 'c', 'a', 's', 'm', 'f')
local bad = foreign(KEYS[1], c[7])
if bad then return bad end
if not c[1] then return {'over'} end
local ms = left(KEYS[1], tonumber(c[6]))
return {'lease', c[1], c[2], ms, c[3], c[4], math.floor((micros() - c[5]) / 1000)}
`)
