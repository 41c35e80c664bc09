/**
 * What the caller of a failover says, made into complete settings. The arbiter's own durations are checked by the
 * candidate that stands there; what is checked here is what a candidate does not know.
 */

import { type Clock, systemClock } from '../clock.ts'
import { badOption } from '../errors.ts'
import {
  type CandidateOptions,
  checkClock,
  checkElection,
  checkKnown,
  checkLogger,
  checkMethods,
  checkSignal,
  checkStore,
  checkType,
  type Logger,
  whole,
} from '../options.ts'
import type { LeaseStore } from '../store.ts'
import type { Tenure } from '../tenure.ts'
import type { Bus } from './bus.ts'
import { defaultArbiter, defaultBus } from './defaults.ts'
import type { DemoteReason } from './events.ts'

/** Who is known to be primary. */
export interface Primary {
  readonly id: string
  readonly fencingToken: number
  /** What it wants others to know, e.g. its URL. */
  readonly advert: string | undefined
}

/** Ask the primary itself. True: it is well. False, an error, or no answer in time: it is doubted. */
export type Probe = (primary: Primary, signal: AbortSignal) => boolean | Promise<boolean>

type FromCandidate = 'ttlMs' | 'renewMs' | 'callMs' | 'marginMs' | 'drift' | 'retryMs' | 'drainMs'

/** Durations are whole milliseconds. Those of the arbiter's lease (`ttlMs` and so on) are as for a `Candidate`. */
export interface FailoverOptions extends Pick<CandidateOptions, FromCandidate> {
  /** Name of what is to have one primary, 1 to 200 characters. */
  readonly election: string
  /** Begin to serve. Resolve when serving; the role is held until `tenure.signal` aborts. Throwing frees the arbiter. */
  readonly onPromote: (tenure: Tenure) => unknown
  /** End what `onPromote` began; awaited before the arbiter is free. Called once after every `onPromote`, also after one that failed. */
  readonly onDemote: (reason: DemoteReason) => unknown
  /** A name that people recognise, 1 to 200 characters. @default host, pid and four random digits */
  readonly id?: string | undefined
  /** Who decides: any lease store. Whoever made it closes it. @default the file store of this user on this host */
  readonly arbiter?: LeaseStore | undefined
  /** How instances talk. @default with the file store a Unix socket beside it; any other arbiter, and Windows, needs one */
  readonly bus?: Bus | undefined
  /** Pause between heartbeats of the primary. @default 5000 */
  readonly heartbeatMs?: number | undefined
  /** Silence after which a secondary doubts the primary; above `heartbeatMs`. @default 15000, or three times `heartbeatMs` where that is more */
  readonly silenceMs?: number | undefined
  /** Asked before a doubt is raised by silence, and by `probeNow()`. */
  readonly probe?: Probe | undefined
  /** How long a probe may take. @default the smaller of `heartbeatMs` and 2000 */
  readonly probeMs?: number | undefined
  /** Whether this instance may be promoted; to be switched at run time. @default true */
  readonly enabled?: boolean | undefined
  /** What others may know of the primary, e.g. its URL; at most 1 kB. */
  readonly advert?: string | undefined
  /** Told of changes, renewals, doubts and trouble. Secrets are masked. */
  readonly logger?: Logger | undefined
  /** Aborting it stops the failover, gracefully. */
  readonly signal?: AbortSignal | undefined
  /** Time and chance; `ManualClock` of `tenure/testing` goes here. */
  readonly clock?: Clock | undefined
  /** Let the process end although the failover is started. @default false */
  readonly unref?: boolean | undefined
}

export interface Settings {
  readonly election: string
  readonly onPromote: (tenure: Tenure) => unknown
  readonly onDemote: (reason: DemoteReason) => unknown
  readonly arbiter: LeaseStore
  readonly bus: Bus
  readonly heartbeatMs: number
  readonly silenceMs: number
  readonly probe: Probe | undefined
  readonly probeMs: number
  readonly enabled: boolean
  readonly logger: Logger | undefined
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
  readonly unref: boolean
}

const known: Record<keyof FailoverOptions, true> = {
  election: true,
  onPromote: true,
  onDemote: true,
  id: true,
  arbiter: true,
  bus: true,
  heartbeatMs: true,
  silenceMs: true,
  probe: true,
  probeMs: true,
  enabled: true,
  advert: true,
  logger: true,
  signal: true,
  clock: true,
  unref: true,
  ttlMs: true,
  renewMs: true,
  callMs: true,
  marginMs: true,
  drift: true,
  retryMs: true,
  drainMs: true,
}

/** Check the options and complete them. Throws a `TenureError` of code `bad-option`. */
export function settingsOf(options: FailoverOptions): Settings {
  checkKnown(options, known)
  const { clock = systemClock } = options
  checkClock(clock)
  const election = checkElection(options.election)
  const arbiter = options.arbiter === undefined ? defaultArbiter() : checkArbiter(options.arbiter)
  const heartbeatMs = whole('heartbeatMs', options.heartbeatMs ?? 5000, 1)
  const silenceMs = whole('silenceMs', options.silenceMs ?? Math.max(15_000, 3 * heartbeatMs), 1)
  if (silenceMs <= heartbeatMs) throw badOption('silenceMs', `more than \`heartbeatMs\` (${heartbeatMs})`, silenceMs)
  return Object.freeze({
    election,
    onPromote: needed('onPromote', options.onPromote),
    onDemote: needed('onDemote', options.onDemote),
    arbiter,
    bus: options.bus === undefined ? defaultBus(arbiter, election) : checkBus(options.bus),
    heartbeatMs,
    silenceMs,
    probe: checkType('probe', options.probe, 'function', 'a function'),
    probeMs: whole('probeMs', options.probeMs ?? Math.min(heartbeatMs, 2000), 1),
    enabled: checkEnabled(options.enabled ?? true),
    logger: checkLogger(options.logger),
    signal: checkSignal(options.signal),
    clock,
    unref: checkType('unref', options.unref, 'boolean', 'a boolean') ?? false,
  })
}

export function checkEnabled(enabled: unknown): boolean {
  if (typeof enabled !== 'boolean') throw badOption('enabled', 'a boolean', enabled)
  return enabled
}

function needed<F>(option: string, value: F): F {
  if (typeof value !== 'function') throw badOption(option, 'a function', value)
  return value
}

function checkArbiter(arbiter: LeaseStore): LeaseStore {
  return checkStore(checkMethods('arbiter', arbiter, ['acquire', 'renew', 'release', 'read']))
}

function checkBus(bus: Bus): Bus {
  const checked = checkMethods('bus', bus, ['join', 'send'])
  if (typeof checked.name !== 'string' || checked.name === '') throw badOption('bus.name', 'a non-empty string', checked.name)
  return checked
}
