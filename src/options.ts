/**
 * What the caller says, made into complete and frozen settings. All validation is here: a bad option is refused with
 * its name, what was expected and what came; nothing is silently corrected.
 */

import { type Clock, systemClock } from './clock.ts'
import { badOption, describeValue, maskSecrets, messageOf, TenureError } from './errors.ts'
import type { LeaseStore } from './store.ts'
import type { Tenure } from './tenure.ts'
import { believedMs, longestPauseMs, slackMs, type Timing } from './timing.ts'

/** The user's function that runs during a tenure. It should end soon after `tenure.signal` aborts. */
export type Work = (tenure: Tenure) => unknown

/** Where the library writes; silent by default. The message comes first. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

/** Durations are whole milliseconds. A store may bring defaults of its own (`store.timing`), which then count. */
export interface CandidateOptions {
  /** Name of the contest, 1 to 200 characters, e.g. `nightly-report`. */
  readonly election: string
  /** Where the lease is kept. Whoever made it closes it. */
  readonly store: LeaseStore
  /** A name that people recognise, 1 to 200 characters. Equal ids are safe. @default host, pid and four random digits */
  readonly id?: string | undefined
  /** How long the lease lives without renewal; at least the store's `minTtlMs`. @default 15000 */
  readonly ttlMs?: number | undefined
  /**
   * Pause between renewals while leading; less than the deadline (`ttlMs * (1 - 2 * drift) - marginMs`) minus `callMs`.
   * @default a third of the ttl
   */
  readonly renewMs?: number | undefined
  /** The longest that a store call may take; at most `renewMs`. @default a sixth of the ttl */
  readonly callMs?: number | undefined
  /** Time for the work to end between the abort of its signal and the first instant a rival may win; below half the ttl. @default a fifth of the ttl */
  readonly marginMs?: number | undefined
  /** Bound on the rate error of one clock, 0 to 0.1. A clock worse than this breaks exclusion. @default 0.005 */
  readonly drift?: number | undefined
  /** The longest pause of a follower between looks, jittered. @default a third of the ttl */
  readonly retryMs?: number | undefined
  /**
   * How long work may drain before it is reported as overrun, and its lease left to lapse; at least the ttl, or Infinity.
   * @default five ttl
   */
  readonly drainMs?: number | undefined
  /** Runs during each tenure. */
  readonly work?: Work | undefined
  /** What others may know of the leader, e.g. its URL; at most 1 kB. */
  readonly advert?: string | undefined
  /** Told of changes, renewals and trouble. Secrets are masked. @default silence, but for warnings of the process */
  readonly logger?: Logger | undefined
  /** Aborting it stops the candidate, gracefully. */
  readonly signal?: AbortSignal | undefined
  /** Time and chance; `ManualClock` of `tenure/testing` goes here. */
  readonly clock?: Clock | undefined
  /** Let the process end although the candidate stands. @default false */
  readonly unref?: boolean | undefined
}

export interface Settings {
  readonly election: string
  readonly store: LeaseStore
  readonly id: string
  readonly timing: Timing
  readonly work: Work | undefined
  readonly advert: string | undefined
  readonly logger: Logger | undefined
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
  readonly unref: boolean
}

/** Those of a call that is given the election and the work apart. */
export const commonOptions: Record<Exclude<keyof CandidateOptions, 'election' | 'work'>, true> = {
  store: true,
  id: true,
  ttlMs: true,
  renewMs: true,
  callMs: true,
  marginMs: true,
  drift: true,
  retryMs: true,
  drainMs: true,
  advert: true,
  logger: true,
  signal: true,
  clock: true,
  unref: true,
}
const known: Record<keyof CandidateOptions, true> = { election: true, ...commonOptions, work: true }

/** Check the options of a candidate and complete them. Throws a `TenureError` of code `bad-option`. */
export function settingsOf(options: CandidateOptions): Settings {
  checkKnown(options, known)
  const { store, clock = systemClock } = options
  checkElection(options.election)
  checkStore(store)
  checkClock(clock)
  const settings: Settings = {
    election: options.election,
    store,
    id: options.id === undefined ? defaultId(clock) : checkName('id', options.id),
    timing: timingOf(options, store, clock),
    work: checkType('work', options.work, 'function', 'a function'),
    advert: checkAdvert(options.advert),
    logger: checkLogger(options.logger),
    signal: checkSignal(options.signal),
    clock,
    unref: checkType('unref', options.unref, 'boolean', 'a boolean') ?? false,
  }
  warnIfTight(settings)
  return Object.freeze(settings)
}

export function checkClock(clock: Clock): Clock {
  return checkMethods('clock', clock, ['mono', 'wall', 'timer', 'afterPending', 'random', 'id'])
}

/** Check a logger, and make one of it that cannot throw and is told no secret. */
export function checkLogger(logger: Logger | undefined): Logger | undefined {
  return logger && guarded(checkMethods('logger', logger, ['debug', 'info', 'warn', 'error']))
}

/** A logger that throws is the one thing that cannot be logged; it must not end an election. */
function guarded(logger: Logger): Logger {
  const guard =
    (level: keyof Logger) =>
    (message: string, fields?: Record<string, unknown>): void => {
      try {
        logger[level](maskSecrets(message), fields && masked(fields))
      } catch (thrown) {
        warn(undefined, `The logger failed: ${messageOf(thrown)}`, 'listener-failed')
      }
    }
  return { debug: guard('debug'), info: guard('info'), warn: guard('warn'), error: guard('error') }
}

function masked(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? maskSecrets(value) : value]))
}

function timingOf(options: CandidateOptions, store: LeaseStore, clock: Clock): Timing {
  const least = store.minTtlMs ?? 100
  const own = store.timing ?? {}
  const standardTtl = own.ttlMs ?? 15_000
  const ttlMs = whole('ttlMs', options.ttlMs ?? Math.max(standardTtl, least), least, `, the least that store \`${store.name}\` can keep`)
  // A store's own durations are meant for its own ttl; with a shorter one they shrink.
  const scaled = (ms: number) => Math.max(1, Math.floor(ms * Math.min(1, ttlMs / standardTtl)))
  const share = (parts: number) => Math.max(1, Math.floor(ttlMs / parts))

  const drift = options.drift ?? 0.005
  if (typeof drift !== 'number' || !(drift >= 0 && drift <= 0.1)) throw badOption('drift', 'a number from 0 to 0.1', drift)
  const marginMs = whole('marginMs', options.marginMs ?? share(5), 0)
  if (marginMs >= ttlMs / 2) throw badOption('marginMs', `less than \`ttlMs / 2\` (${ttlMs / 2})`, marginMs)
  const renewMs = whole('renewMs', options.renewMs ?? (own.renewMs === undefined ? share(3) : scaled(own.renewMs)), 1)
  const callMs = whole('callMs', options.callMs ?? Math.min(renewMs, own.callMs === undefined ? share(6) : scaled(own.callMs)), 1)
  if (callMs > renewMs) throw badOption('callMs', `at most \`renewMs\` (${renewMs})`, callMs)
  const retryMs = whole('retryMs', options.retryMs ?? (own.retryMs === undefined ? share(3) : scaled(own.retryMs)), 1)
  if (own.retryMs !== undefined && renewMs >= retryMs) {
    // Of two that do not fit, the one that was chosen is named.
    if (options.renewMs === undefined && options.retryMs !== undefined)
      throw badOption('retryMs', `more than \`renewMs\` (${renewMs}), as store \`${store.name}\` requires`, retryMs)
    throw badOption('renewMs', `less than \`retryMs\` (${retryMs}), as store \`${store.name}\` requires`, renewMs)
  }
  const drainMs = options.drainMs ?? ttlMs * 5
  if (drainMs !== Number.POSITIVE_INFINITY) whole('drainMs', drainMs, ttlMs, ' (`ttlMs`), or Infinity')

  const timing = { ttlMs, renewMs, callMs, marginMs, drift, retryMs, drainMs }
  const all: Timing = { ...timing, observed: store.expiry === 'observed', phaseMs: phaseOf(store, clock) * renewMs }
  const deadline = believedMs(all, ttlMs)
  if (renewMs >= deadline - callMs) {
    throw badOption('renewMs', `less than the deadline minus \`callMs\` (${round(deadline)} - ${callMs})`, renewMs)
  }
  return shared(store, Object.freeze(all))
}

const timings = new WeakMap<LeaseStore, Timing>()

/** Ten thousand candidates of one store mostly have one timing: kept once. */
function shared(store: LeaseStore, timing: Timing): Timing {
  const last = timings.get(store)
  if (last && (Object.keys(timing) as (keyof Timing)[]).every((name) => last[name] === timing[name])) return last
  timings.set(store, timing)
  return timing
}

const phases = new WeakMap<LeaseStore, number>()

/** All candidates of one store renew on one grid; stores, and processes, differ. */
function phaseOf(store: LeaseStore, clock: Clock): number {
  const phase = phases.get(store) ?? clock.random()
  phases.set(store, phase)
  return phase
}

function warnIfTight({ election, timing, logger }: Settings): void {
  if (slackMs(timing) > 0) return
  const { ttlMs, renewMs, callMs } = timing
  const message =
    `Two failed renewals in a row cost \`${election}\` its leader: renewMs (${renewMs}) + 2 * (callMs (${callMs}) + pause ` +
    `(${round(longestPauseMs(timing))})) should be below the deadline (${round(believedMs(timing, ttlMs))})`
  warn(logger, message, 'tight-timing')
}

/** Say something that nobody asked for: to the logger, or else once to the process. */
export function warn(logger: Logger | undefined, message: string, code: string): void {
  if (logger) logger.warn(message, { code })
  else globalThis.process?.emitWarning?.(message, { type: 'TenureWarning', code })
}

export function checkElection(election: unknown): string {
  return checkName('election', election)
}

export function checkStore(store: unknown): LeaseStore {
  const checked = checkMethods('store', store as LeaseStore, ['acquire', 'renew', 'release', 'read'])
  if (typeof checked.name === 'string' && checked.name !== '') return checked
  throw badOption('store.name', 'a non-empty string', checked.name)
}

export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw badOption('signal', 'an AbortSignal', signal)
}

/** Refuse options that nobody knows: a misspelt duration would otherwise fall back to its default in silence. */
export function checkKnown(options: unknown, names: Readonly<Record<string, true>>): void {
  if (typeof options !== 'object' || options === null) throw badOption('options', 'an object', options)
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(names, name)) continue
    const near = Object.keys(names).find((other) => other.toLowerCase().startsWith(name.toLowerCase().replace(/ms$/, '')))
    const hint = near === undefined ? `one of ${Object.keys(names).join(', ')}` : `\`${near}\``
    throw new TenureError(
      'bad-option',
      `Unknown option \`${name}\` (${describeValue((options as Record<string, unknown>)[name])}): expected ${hint}`,
    )
  }
}

/** A whole number of milliseconds, at least `least`; `note` says more about that. */
export function whole(option: string, value: unknown, least: number, note = ''): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number
  throw badOption(option, `a whole number of milliseconds, at least ${least}${note}`, value)
}

export function checkMethods<T>(option: string, value: T, methods: readonly string[]): T {
  if (methods.every((name) => typeof (value as Record<string, unknown> | undefined)?.[name] === 'function')) return value
  throw badOption(option, `an object with the methods ${methods.join(', ')}`, value)
}

function checkName(option: string, value: unknown): string {
  // Lone surrogates have no UTF-8: two names that differ could become one in a store.
  if (typeof value === 'string' && value.length <= 200 && value.isWellFormed() && value.trim() !== '') return value
  throw badOption(option, 'a string of 1 to 200 well-formed characters, not all of them blank', value)
}

function checkAdvert(advert: string | undefined): string | undefined {
  if (advert === undefined || (typeof advert === 'string' && advert.isWellFormed() && new TextEncoder().encode(advert).length <= 1024))
    return advert
  throw badOption('advert', 'a string of at most 1 kB', advert)
}

export function checkType<T>(option: string, value: T | undefined, type: string, expected: string): T | undefined {
  if (value === undefined || typeof value === type) return value
  throw badOption(option, expected, value)
}

function defaultId(clock: Clock): string {
  return `${hostName().slice(0, 100)}-${globalThis.process?.pid ?? 0}-${clock.id().slice(0, 4)}`
}

/** Asked for this way, the module also loads where there is no `node:os`. */
function hostName(): string {
  try {
    return globalThis.process?.getBuiltinModule?.('node:os')?.hostname() ?? 'host'
  } catch {
    // Deno asks for a permission, and an id is not worth one.
    return 'host'
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}
