/** How a failover stands, as data and as one sentence for a person. */

import type { Heartbeat, Role, Suspicion } from './events.ts'
import type { Traffic } from './membership.ts'
import type { Primary } from './settings.ts'

/** What an instance is doing. Between `stopped` and `secondary` lies `disabled`: started, and not to be promoted. */
export type Phase = 'stopped' | 'disabled' | 'secondary' | 'promoting' | 'primary' | 'demoting'

/** How the bus stands, and what has come over it. */
export interface BusStatus extends Traffic {
  readonly name: string
  readonly joined: boolean
  /** Messages of older tenures. */
  readonly old: number
}

/** How an instance stands, at the moment of the question. */
export interface FailoverStatus {
  readonly election: string
  readonly id: string
  readonly role: Role
  readonly phase: Phase
  readonly enabled: boolean
  /** Of this instance's own tenure. */
  readonly fencingToken: number | undefined
  /** Who is primary, as far as this instance knows. */
  readonly primary: Primary | undefined
  /** Empty on a primary. */
  readonly lastHeartbeat: Heartbeat | undefined
  /** Why the primary is doubted. */
  readonly suspicion: Suspicion | undefined
  /** How often this instance has been promoted. */
  readonly promotions: number
  readonly bus: BusStatus
  /** All of it that matters, as one sentence. */
  readonly text: string
}

const doubts: Record<Suspicion['reason'], string> = {
  silent: 'silent',
  announced: 'gone by its own word',
  closed: 'gone: its channel was closed',
  'probe-failed': 'not answering the probe',
}

export function sentenceOf(status: Omit<FailoverStatus, 'text'>): string {
  const { election, id, phase, fencingToken } = status
  const what: Record<Phase, string> = {
    stopped: 'is stopped',
    disabled: 'is secondary and not to be promoted',
    secondary: 'is secondary',
    promoting: `is being promoted, fencing token ${fencingToken}`,
    primary: `is primary, fencing token ${fencingToken}`,
    demoting: 'is being demoted',
  }
  const parts = [`${id} ${what[phase]} in ${election}`]
  if (phase === 'secondary' || phase === 'disabled') parts.push(...ofPrimary(status))
  if (phase !== 'stopped' && !status.bus.joined) parts.push(`the bus (${status.bus.name}) is down`)
  if (phase === 'primary' && !status.enabled) parts.push('it will not be promoted again')
  return `${parts.join('; ')}.`
}

function ofPrimary({ primary, lastHeartbeat, suspicion }: Omit<FailoverStatus, 'text'>): string[] {
  const heard = lastHeartbeat ? `last heard ${seconds(lastHeartbeat.ageMs)} ago` : 'not heard yet'
  if (suspicion) {
    const silence = suspicion.reason === 'silent' ? ` for ${seconds(suspicion.silentMs)}` : ''
    return [`${suspicion.primary ?? primary?.id ?? 'the primary'} seems to be ${doubts[suspicion.reason]}${silence}`]
  }
  return [primary ? `${primary.id} is primary, ${heard}` : 'nobody is known to be primary']
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
