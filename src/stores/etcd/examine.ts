/** What `tenure doctor` tells about an etcd cluster. Reads, and grants one lease that it gives back. */

import { messageOf } from '../../errors.ts'
import type { Examination, Finding } from '../shared/examination.ts'
import { Gateway } from './gateway.ts'
import { Keys } from './keys.ts'
import { Names } from './names.ts'
import { type EtcdOptions, settingsOf } from './options.ts'
import type { LeaseAnswer } from './wire.ts'

/** The first release of each line in which a member that has ceased to lead revokes no lease. */
const FIRST_SOUND: readonly (readonly [number, number, number])[] = [
  [3, 4, 31],
  [3, 5, 13],
  [3, 6, 0],
]

interface Status {
  readonly version?: string
  readonly dbSize?: string
  readonly errors?: readonly string[]
}

/** Rejects like the store where the cluster cannot be reached or refuses. Asks for rights of the prefix, and no more. */
export async function examine(options: EtcdOptions, signal: AbortSignal): Promise<Examination> {
  const settings = settingsOf(options)
  const gateway = new Gateway(settings)
  const names = new Names(settings.prefix, settings.interop)
  const status = await gateway.call<Status>('/v3/maintenance/status', {}, signal)
  const members = await gateway.call<{ members?: readonly unknown[] }>('/v3/cluster/member/list', {}, signal)
  const count = members.members?.length ?? 0
  await new Keys(gateway, names, settings.clock).oldest('tenure-doctor', signal)
  const leastTtl = await leastTtlOf(gateway, signal)
  const { version = 'unknown' } = status
  const sound = count === 1 || isSound(version)
  const findings: Finding[] = []
  if (!sound) {
    findings.push({
      severity: 'warning',
      message: `etcd ${version}: a member that has ceased to lead may still revoke living leases`,
      advice:
        'upgrade to 3.4.31, 3.5.13, 3.6 or later; until then exclusion may fail for up to a renewal when the cluster changes its leader',
    })
  }
  if (count === 1) {
    findings.push({
      severity: 'info',
      message: 'the cluster has one member',
      advice: 'it is down whenever that one is; three survive the loss of one',
    })
  } else if (settings.endpoints.length === 1) {
    findings.push({
      severity: 'info',
      message: `one endpoint is given of ${count} members`,
      advice: 'give all of them, so that the loss of one costs nothing',
    })
  }
  for (const alarm of status.errors ?? [])
    findings.push({ severity: 'error', message: `etcd reports ${alarm}`, advice: 'see `etcdctl alarm list`' })
  findings.push({
    severity: 'info',
    message: 'tokens are revisions of the cluster',
    advice: 'restore snapshots with `--bump-revision` and `--mark-compacted`, or tokens fall and guarded resources refuse every leader',
  })
  return {
    level: sound ? 'A' : 'B',
    facts: [
      { name: 'version', value: version },
      { name: 'members', value: String(count) },
      { name: 'least ttl', value: leastTtl },
      { name: 'database', value: `${Math.round(Number(status.dbSize ?? 0) / 1024)} kB` },
    ],
    findings,
  }
}

/** The server raises a ttl that is too short for its own election timeout. */
async function leastTtlOf(gateway: Gateway, signal: AbortSignal): Promise<string> {
  try {
    const { ID, TTL = 'unknown' } = await gateway.call<LeaseAnswer>('/v3/lease/grant', { TTL: '1' }, signal)
    await gateway.call('/v3/lease/revoke', { ID }, signal)
    return `${TTL} s`
  } catch (thrown) {
    signal.throwIfAborted()
    return `could not be tried: ${messageOf(thrown)}`
  }
}

function isSound(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  const first = FIRST_SOUND.find(([a, b]) => a === major && b === minor)
  return first ? patch >= first[2] : major > 3 || (major === 3 && minor > 6)
}
