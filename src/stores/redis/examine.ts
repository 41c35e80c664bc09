/** What `tenure doctor` tells about a Redis server: its level, and every setting that could cost somebody a lease. Writes nothing. */

import { messageOf } from '../../errors.ts'
import { bounded } from '../shared/bounded.ts'
import type { Examination, Fact, Finding } from '../shared/examination.ts'
import type { RedisClient } from './client.ts'
import { failureOf } from './failures.ts'
import { channelOf, prefixOf } from './keys.ts'
import { lacksOf } from './rights.ts'
import { infoOf, settingsOf } from './terms.ts'
import { type Send, type Wire, type Wires, wiresOf } from './wire.ts'

/** One server, as it tells of itself. */
interface Server {
  /** Empty where it does not tell. */
  readonly info: ReadonlyMap<string, string>
  /** `undefined` where it does not tell. */
  readonly settings: ReadonlyMap<string, string> | undefined
}

/** Rejects like the store where the server cannot be reached or refuses. */
export async function examine(
  client: RedisClient,
  signal: AbortSignal,
  options: { readonly keyPrefix?: string | undefined } = {},
): Promise<Examination> {
  const wires = wiresOf(client)
  const prefix = prefixOf(options.keyPrefix ?? wires.keyPrefix)
  const wire = wires.make(() => {})
  try {
    const look = async () => {
      await wire.open()
      const servers = await Promise.all((await wire.masters()).map(serverOf))
      return judge(wires, servers, [...(await deafness(wire, channelOf(prefix))), ...(await lacksOf(wire, prefix))])
    }
    return await bounded(signal, look())
  } catch (thrown) {
    throw failureOf('examine', thrown)
  } finally {
    wire.cut()
  }
}

async function serverOf(send: Send): Promise<Server> {
  return { info: (await infoOf(send)) ?? new Map(), settings: await settingsOf(send, 'append*') }
}

/** Why news of releases cannot be heard, where it cannot. */
async function deafness(wire: Wire, channel: string): Promise<Finding[]> {
  const ear = await wire.ear(() => {})
  try {
    await ear.open()
    await ear.subscribe(channel, () => {})
    return []
  } catch (thrown) {
    const advice = 'followers poll instead; allow SUBSCRIBE and the channel to make handovers quick'
    return [{ severity: 'warning', message: `releases cannot be heard: ${messageOf(thrown)}`, advice }]
  } finally {
    ear.cut()
  }
}

/** `rights`: what has to do with the user, and with no server. */
function judge(wires: Wires, servers: readonly Server[], rights: readonly Finding[]): Examination {
  const findings = [...new Map(servers.flatMap(findingsOf).map((finding) => [finding.message, finding])).values()]
  if (wires.topology !== 'single') {
    findings.push({
      severity: 'warning',
      message: `${wires.topology === 'cluster' ? 'a Cluster' : 'Sentinel'} promotes a replica when a server fails, and what that had not been told is lost`,
      advice: 'two may lead for up to a ttl after a failover: fence your writes with the token',
    })
  }
  const isUnfit = findings.some(({ severity }) => severity === 'error')
  const isAlone = wires.topology === 'single' && servers.every(({ info }) => Number(info.get('connected_slaves') ?? 0) === 0)
  const isDurable = servers.every((server) => durability(server) === 'always')
  const level = isUnfit ? 'C' : isDurable && isAlone ? 'A' : 'B'
  return { level, facts: factsOf(wires, servers), findings: [...findings, ...rights] }
}

function findingsOf(server: Server): Finding[] {
  const { info, settings } = server
  const findings: Finding[] = []
  const policy = info.get('maxmemory_policy') ?? 'unknown'
  if (info.size === 0) {
    findings.push({
      severity: 'error',
      message: 'the server does not tell whether it may remove leases that are held (INFO is refused)',
      advice: 'allow INFO; the store refuses to serve otherwise, unless it is forced',
    })
  } else if (policy !== 'noeviction') {
    findings.push({
      severity: 'error',
      message: `maxmemory-policy is ${policy}: the server may remove leases that are held`,
      advice: 'set it to noeviction; the store refuses to serve otherwise, unless it is forced',
    })
  }
  if (info.get('role') === 'slave') {
    findings.push({
      severity: 'error',
      message: 'the server is a replica',
      advice: 'connect to the primary, or through Sentinel',
    })
  }
  const major = Number.parseInt(info.get('redis_version') ?? '', 10)
  if (major < 5) {
    findings.push({
      severity: 'error',
      message: `Redis ${info.get('redis_version')} is too old`,
      advice: 'use Redis 5 or later, or Valkey',
    })
  }
  if (durability(server) !== 'always') {
    findings.push({
      severity: 'warning',
      message: settings
        ? `the server may forget its newest writes when it crashes (appendonly ${settings.get('appendonly')}, appendfsync ${settings.get('appendfsync')})`
        : 'the server does not tell whether it forgets its newest writes when it crashes (CONFIG is refused)',
      advice:
        'after a restart nobody is elected until the server has run for a ttl; with appendonly yes and appendfsync always elections go on at once',
    })
  }
  const replicas = Number(info.get('connected_slaves') ?? 0)
  if (replicas > 0) {
    findings.push({
      severity: 'warning',
      message: `${replicas} of its replicas are connected: who is promoted may lack the newest writes`,
      advice: 'two may lead for up to a ttl after a failover: fence your writes, and consider the option `replicas`',
    })
  }
  if (Number(info.get('maxmemory') ?? 0) > 0 && policy === 'noeviction') {
    findings.push({
      severity: 'info',
      message: `memory is limited to ${info.get('maxmemory_human')}, of which ${info.get('used_memory_human')} are used`,
      advice: 'when it is full nobody can be elected; who leads goes on',
    })
  }
  return findings
}

function durability({ settings }: Server): string {
  if (!settings) return 'unknown'
  return settings.get('appendonly') === 'yes' ? (settings.get('appendfsync') ?? 'unknown') : 'none'
}

function factsOf(wires: Wires, servers: readonly Server[]): Fact[] {
  const [first] = servers
  const each = (tell: (server: Server) => string) => [...new Set(servers.map(tell))].join(', ')
  return [
    {
      name: 'server',
      value: each(
        ({ info }) => `${info.get('server_name') ?? 'redis'} ${info.get('valkey_version') ?? info.get('redis_version') ?? 'unknown'}`,
      ),
    },
    { name: 'topology', value: wires.topology === 'cluster' ? `cluster of ${servers.length} masters` : wires.topology },
    { name: 'maxmemory-policy', value: each(({ info }) => info.get('maxmemory_policy') ?? 'unknown') },
    { name: 'append-only log, synced', value: each(durability) },
    { name: 'replicas', value: each(({ info }) => info.get('connected_slaves') ?? 'unknown') },
    { name: 'up for', value: `${first?.info.get('uptime_in_seconds') ?? 'unknown'} s` },
  ]
}
