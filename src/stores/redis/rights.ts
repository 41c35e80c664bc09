/** What the server has to allow a user, and what of it a user lacks. Asks for nothing that would change anything. */

import { messageOf } from '../../errors.ts'
import type { Finding } from '../shared/examination.ts'
import { isReply } from './failures.ts'
import { channelOf } from './keys.ts'
import type { Wire } from './wire.ts'

/** A command in a form that is refused, or finds nothing, wherever it is allowed: rights are looked at before that. */
type Probe = readonly [right: string, ...command: string[]]

/** Of what a user who lacks it cannot do. */
type Lack = 'command' | 'key' | 'channel'

/** Resolves with what the user lacks, as findings; rejects where the server cannot be asked. */
export async function lacksOf(wire: Wire, prefix: string): Promise<readonly Finding[]> {
  // No election has such a key.
  const key = `${prefix}tenure:{}:doctor`
  const needed: readonly Probe[] = [
    ['+evalsha', 'EVALSHA', '0'.repeat(40), '0'],
    ['+eval', 'EVAL', 'return 1', '0'],
    ['+time', 'TIME'],
    ['+info', 'INFO', 'server'],
    ['+exists', 'EXISTS', key],
    ['+hmget', 'HMGET', key, 'f'],
    ['+hset', 'HSET', key, 'f', '1', 'odd'],
    ['+pttl', 'PTTL', key],
    ['+pexpire', 'PEXPIRE', key, 'soon'],
    ['+del', 'DEL', key],
  ]
  const lacks = async (probes: readonly Probe[]) => {
    const all = await Promise.all(probes.map(async ([right, ...command]) => [right, await lackOf(wire, key, command)] as const))
    return {
      commands: all.filter(([, lack]) => lack === 'command').map(([right]) => right),
      has: (wanted: Lack) => all.some(([, lack]) => lack === wanted),
    }
  }
  const [elections, memos, lists, notices] = await Promise.all([
    lacks(needed),
    lacks([
      ['+get', 'GET', key],
      ['+set', 'SET', key, 'x', 'odd'],
    ]),
    lacks([['+scan', 'SCAN', '0', 'COUNT', '1']]),
    lacks([['+publish', 'PUBLISH', channelOf(prefix), '']]),
  ])
  const findings: Finding[] = []
  const find = (severity: Finding['severity'], message: string, advice: string) => findings.push({ severity, message, advice })
  if (elections.commands.length > 0) find('error', 'the rights do not suffice', `grant ${elections.commands.join(' ')}`)
  if (elections.has('key')) find('error', `the user may not use the keys ${prefix}tenure:*`, `grant ~${prefix}tenure:*`)
  if (memos.commands.length > 0) find('warning', 'runOnce() is denied, elections are not', `grant ${memos.commands.join(' ')} to use it`)
  if (lists.commands.length > 0)
    find('warning', 'elections cannot be listed', 'grant +scan; until then `tenure status` has to be given a name')
  if (notices.commands.length > 0 || notices.has('channel')) {
    const rights = notices.has('channel') ? `&${prefix}tenure:*` : '+publish'
    find('warning', 'releases are told to nobody', `grant ${rights}; until then followers lead only when the lease would have ended`)
  }
  return findings
}

async function lackOf(wire: Wire, key: string, command: readonly string[]): Promise<Lack | undefined> {
  try {
    await wire.send(key, command)
    return undefined
  } catch (thrown) {
    if (!isReply(thrown)) throw thrown
    const text = messageOf(thrown)
    if (!text.startsWith('NOPERM')) return undefined
    const [, what] = /permissions to access .*\b(key|channel)/i.exec(text) ?? []
    return what === 'key' || what === 'channel' ? what : 'command'
  }
}
