/**
 * The election as one candidate lives it: a pure machine. It is told what happened and at which moment, and answers
 * with its next state and what has to be done. It knows no store, no clock, no timer and no promise, so that every
 * state it can reach can be visited by a test.
 *
 *   idle --start--> following --won--> leading --refused, overdue--> draining --work ended, released--> following
 *     ^                 |                 '--leave, stop: keep renewing--^                                   | idle
 *     '------stop-------'  (through draining while a call is in the air)                                     v
 *
 * It may assume that moments are monotonic within a candidate, and that an answer carries the call it answers. It must
 * never believe longer than a grant allows, release while work runs, or bid for a second holder while the fate of the
 * first is open.
 */

import type { Moment } from './clock.ts'
import type { Call, Draining, Effect, Following, Input, Leading, State, Step, TenureEnd } from './states.ts'
import { countersOf, idle, isReign } from './states.ts'
import {
  backoffMs,
  believedMs,
  elapsedMs,
  type Grant,
  type Instant,
  instantOf,
  laterGrant,
  lookPauseMs,
  nextRenewal,
  remainingMs,
  renewalCallMs,
  renewalPauseMs,
  spreadMs,
  type Timing,
} from './timing.ts'

/** Ask, at this moment, whether this candidate leads. Never cache the answer. */
export function isLeader(timing: Timing, state: State, now: Instant): boolean {
  return state.role === 'leading' && remainingMs(timing, state.grant, now) > 0
}

/** The monotonic instant at which the machine next has something to do by itself. */
export function wakeAt(timing: Timing, state: State): number {
  if (state.role === 'idle') return Number.POSITIVE_INFINITY
  const verdictAt = state.call ? state.call.sent.mono + state.call.limitMs : Number.POSITIVE_INFINITY
  if (state.role === 'following') return state.call ? verdictAt : state.lookAt
  const deadline = state.grant ? state.grant.sent.mono + believedMs(timing, state.grant.ms) : Number.POSITIVE_INFINITY
  const renewAt = state.grant && !state.call ? state.renewAt : Number.POSITIVE_INFINITY
  const overrunAt = state.role === 'draining' && state.working && !state.overran ? state.overrunAt : Number.POSITIVE_INFINITY
  return Math.min(verdictAt, deadline, renewAt, overrunAt)
}

/** Tell the machine what happened. A tenure that is overdue ends before the news is even looked at. */
export function step(timing: Timing, state: State, input: Input, now: Moment): Step {
  const effects: Effect[] = []
  const machine: Machine = { timing, now, effects }
  let next = lapse(machine, state)
  next = take(machine, next, input)
  next = proceed(machine, next)
  return { state: next, effects }
}

/** What every transition needs: the durations, the moment, and where to put its effects. */
interface Machine {
  readonly timing: Timing
  readonly now: Moment
  readonly effects: Effect[]
}

function lapse(m: Machine, state: State): State {
  if (state.role !== 'leading' && state.role !== 'draining') return state
  if (!state.grant || remainingMs(m.timing, state.grant, m.now) > 0) return state
  return state.role === 'leading' ? depose(m, state, 'expired') : { ...state, grant: undefined }
}

function take(m: Machine, state: State, input: Input): State {
  switch (input.type) {
    case 'start':
      if (state.role === 'idle') return follow(m, state, { lookAt: m.now.mono })
      return state.role === 'draining' ? { ...state, next: 'following' } : state
    case 'stop':
      if (state.role === 'following') return abandonBid(state)
      if (state.role === 'leading') return { ...depose(m, state, 'stopped'), next: 'idle' }
      return state.role === 'draining' ? { ...state, next: 'idle', cooldownMs: 0 } : state
    case 'leave':
      return state.role === 'leading' ? { ...depose(m, state, input.why), cooldownMs: input.cooldownMs } : state
    case 'settled':
      return isReign(state) && state.attempt === input.attempt ? { ...state, working: false } : state
    case 'nudge':
      return nudged(m, state)
    case 'watch':
      return watched(m, state, input.armed)
    case 'wake':
      return timedOut(m, state)
    case 'won':
    case 'refused':
    case 'renewed':
    case 'released':
    case 'failed':
      return answered(m, state, input)
    default:
      return input satisfies never
  }
}

type Answer = Extract<Input, { readonly call: Call }>

function answered(m: Machine, before: State, answer: Answer): State {
  const current = before.role !== 'idle' && before.call?.number === answer.call.number
  const state: State = current ? { ...before, call: undefined } : before
  switch (answer.type) {
    case 'won':
      return won(m, state, answer)
    case 'refused':
      return refused(m, state, answer, current)
    case 'renewed':
      return renewed(m, state, answer)
    case 'released':
      return current ? released(m, state, true) : state
    case 'failed':
      return current ? failed(m, state, answer.call) : state
    default:
      return answer satisfies never
  }
}

function won(m: Machine, state: State, answer: Extract<Answer, { type: 'won' }>): State {
  const { attempt } = answer.call
  if (state.role === 'following' && state.bid?.attempt === attempt) {
    const grant = { sent: m.timing.observed ? state.bid.first : answer.call.sent, ms: answer.grantedMs }
    if (remainingMs(m.timing, grant, m.now) > 0) return elect(m, state, attempt, answer.fencingToken, grant)
    // Ours, but too old to be believed: given back rather than left to lapse, when no other call of it is in the air.
    return state.call ? state : send(m, { ...state, bid: undefined }, 'release', attempt, m.timing.callMs)
  }
  if (state.role === 'leading' && state.attempt === attempt) {
    // An answer to another request of the attempt that leads: what remains is known anew where the store knows it.
    if (m.timing.observed) return state
    return { ...state, grant: laterGrant(state.grant, { sent: answer.call.sent, ms: answer.grantedMs }) }
  }
  if (state.role === 'draining' && state.attempt === attempt && state.call?.verb !== 'release') return { ...state, owed: true }
  // Won by an attempt that nobody stands for any more, or that is being released already.
  return disown(m, state, attempt)
}

function refused(m: Machine, state: State, answer: Extract<Answer, { type: 'refused' }>, current: boolean): State {
  if (state.role === 'leading') {
    // It was sent before this tenure began, so that it proves nothing, unless it has seen a successor.
    return (answer.rivalToken ?? 0) > state.fencingToken ? depose(m, state, 'superseded') : state
  }
  if (state.role !== 'following' || !current) return state
  const cooling = m.now.mono < state.notBefore
  const free = answer.freeInMs <= 0
  const failures = free && !cooling ? state.failures + 1 : 0
  return { ...state, bid: undefined, again: false, failures, lookAt: m.now.mono + pause() }

  function pause(): number {
    if (state.role === 'following' && state.again) return spreadMs(m.now.dice)
    if (!free) return lookPauseMs(m.timing, answer.freeInMs, state.watched, m.now.dice)
    if (cooling && state.role === 'following') return state.notBefore - m.now.mono
    return failures === 1 ? spreadMs(m.now.dice) : renewalPauseMs(m.timing, failures - 1, m.now.dice)
  }
}

function renewed(m: Machine, state: State, answer: Extract<Answer, { type: 'renewed' }>): State {
  if (!isReign(state) || state.attempt !== answer.call.attempt) return state
  if (answer.grantedMs <= 0) return state.role === 'leading' ? depose(m, state, 'superseded') : { ...state, grant: undefined }
  if (!state.grant) return state
  const grant = laterGrant(state.grant, { sent: answer.call.sent, ms: answer.grantedMs })
  const renewAt = state.again ? m.now.mono : nextRenewal(m.timing, grant.sent.mono)
  return { ...state, grant, renewAt, failures: 0, again: false }
}

function released(m: Machine, state: State, definite: boolean): State {
  if (state.role === 'draining') return { ...state, owed: false, failures: definite ? 0 : 1 }
  if (state.role !== 'following') return state
  const failures = definite ? 0 : state.failures + 1
  const pause = definite ? spreadMs(m.now.dice) : backoffMs(m.timing, failures, m.now.dice)
  return { ...state, failures, again: false, lookAt: m.now.mono + pause }
}

function failed(m: Machine, state: State, call: Call): State {
  if (call.verb === 'release') return released(m, state, false)
  if (state.role === 'following') {
    const failures = state.failures + 1
    const bid = state.bid && { ...state.bid, doubtful: true }
    return { ...state, bid, failures, again: false, lookAt: m.now.mono + backoffMs(m.timing, failures, m.now.dice) }
  }
  if (!isReign(state)) return state
  if (call.verb === 'renew') {
    const failures = state.failures + 1
    // No later than the end of the lease: of a machine that slept, the wall clock sees it before any timer does.
    const leftMs = state.grant ? remainingMs(m.timing, state.grant, m.now) : 0
    const pauseMs = Math.min(renewalPauseMs(m.timing, failures, m.now.dice), leftMs)
    return { ...state, failures, renewAt: m.now.mono + pauseMs }
  }
  return state.role === 'draining' && call.verb === 'acquire' ? { ...state, owed: true } : state
}

/** A call that has had its time counts as failed. Only the timer says so: an answer may be waiting behind other news. */
function timedOut(m: Machine, state: State): State {
  if (state.role === 'idle' || !state.call) return state
  const { call } = state
  if (m.now.mono < call.sent.mono + call.limitMs) return state
  m.effects.push({ type: 'abandon', call })
  return failed(m, { ...state, call: undefined }, call)
}

function nudged(m: Machine, state: State): State {
  if (state.role === 'idle') return state
  if (state.call) return { ...state, again: true }
  if (state.role === 'following') return { ...state, lookAt: Math.min(state.lookAt, m.now.mono + spreadMs(m.now.dice)) }
  return { ...state, renewAt: m.now.mono }
}

function watched(m: Machine, state: State, armed: boolean): State {
  if (armed || state.role !== 'following') return { ...state, watched: armed }
  const lookAt = Math.min(state.lookAt, m.now.mono + lookPauseMs(m.timing, Number.POSITIVE_INFINITY, false, m.now.dice))
  return { ...state, watched: false, lookAt }
}

/** Do what is due at this moment. */
function proceed(m: Machine, state: State): State {
  if (state.role === 'idle') return state
  if (state.role === 'following') return !state.call && m.now.mono >= state.lookAt ? look(m, state) : state
  if (state.role === 'draining') return drain(m, state)
  return renewWhenDue(m, state)
}

function look(m: Machine, state: Following): State {
  if (m.now.mono < state.notBefore) return send(m, state, 'read', state.attempts, m.timing.callMs)
  if (!state.bid) {
    const attempt = state.attempts + 1
    const bid = { attempt, first: instantOf(m.now), doubtful: false }
    return send(m, { ...state, attempts: attempt, bid }, 'acquire', attempt, m.timing.callMs)
  }
  const { attempt, first } = state.bid
  if (elapsedMs(first, m.now) < believedMs(m.timing, m.timing.ttlMs)) return send(m, state, 'acquire', attempt, m.timing.callMs)
  return send(m, { ...state, bid: undefined }, 'release', attempt, m.timing.callMs)
}

function drain(m: Machine, before: Draining): State {
  let state = before
  if (state.working && !state.overran && m.now.mono >= state.overrunAt) {
    m.effects.push({ type: 'overrun', attempt: state.attempt })
    state = { ...state, overran: true, grant: undefined }
  }
  if (state.working) return renewWhenDue(m, state)
  if (state.call) return state
  // From here on somebody else may lead: nothing is left for this tenure, whatever its deadline says.
  if (state.owed) return send(m, { ...state, grant: undefined }, 'release', state.attempt, m.timing.callMs)
  if (state.next === 'idle') return idle(state)
  const pause = state.failures > 0 ? backoffMs(m.timing, state.failures, m.now.dice) : spreadMs(m.now.dice)
  return follow(m, state, { lookAt: m.now.mono + pause, notBefore: m.now.mono + state.cooldownMs, failures: state.failures })
}

function renewWhenDue<S extends Leading | Draining>(m: Machine, state: S): S {
  if (state.call || !state.grant || m.now.mono < state.renewAt) return state
  const leftMs = remainingMs(m.timing, state.grant, m.now)
  const limitMs = renewalCallMs(m.timing, leftMs)
  if (limitMs === undefined) return { ...state, renewAt: m.now.mono + leftMs }
  return send(m, state, 'renew', state.attempt, limitMs)
}

function elect(m: Machine, state: Following, attempt: number, fencingToken: number, grant: Grant): Leading {
  m.effects.push({ type: 'elect', attempt, fencingToken })
  return {
    role: 'leading',
    ...countersOf(state),
    attempt,
    fencingToken,
    grant,
    call: state.call,
    renewAt: nextRenewal(m.timing, grant.sent.mono),
    failures: 0,
    again: state.again,
    working: true,
  }
}

const chosen: ReadonlySet<TenureEnd> = new Set<TenureEnd>(['stepped-down', 'stopped', 'completed', 'work-failed'])

function depose(m: Machine, state: Leading, why: TenureEnd): Draining {
  m.effects.push({ type: 'depose', attempt: state.attempt, why })
  return {
    ...countersOf(state),
    role: 'draining',
    attempt: state.attempt,
    call: state.call,
    renewAt: state.renewAt,
    failures: 0,
    again: state.again,
    working: state.working,
    // By choice: the lease is kept until the work has ended. By force: nothing is left to keep.
    grant: chosen.has(why) ? state.grant : undefined,
    owed: true,
    overrunAt: m.now.mono + m.timing.drainMs,
    overran: false,
    next: 'following',
    cooldownMs: 0,
  }
}

function follow(m: Machine, state: State, from: { lookAt: number; notBefore?: number; failures?: number }): Following {
  return {
    role: 'following',
    ...countersOf(state),
    bid: undefined,
    call: undefined,
    lookAt: from.lookAt,
    notBefore: from.notBefore ?? m.now.mono,
    failures: from.failures ?? 0,
    again: false,
  }
}

/** Stop standing: wait for a call in the air, and give back an attempt whose fate is open. */
function abandonBid(state: Following): State {
  if (!state.call && !state.bid?.doubtful) return idle(state)
  return {
    ...countersOf(state),
    role: 'draining',
    attempt: state.bid?.attempt ?? 0,
    call: state.call,
    renewAt: Number.POSITIVE_INFINITY,
    failures: 0,
    again: false,
    working: false,
    grant: undefined,
    owed: state.bid?.doubtful ?? false,
    overrunAt: Number.POSITIVE_INFINITY,
    overran: false,
    next: 'idle',
    cooldownMs: 0,
  }
}

type Callable = Following | Leading | Draining

function send<S extends Callable>(m: Machine, state: S, verb: Call['verb'], attempt: number, limitMs: number): S {
  const call: Call = { number: state.calls + 1, verb, attempt, sent: instantOf(m.now), limitMs }
  m.effects.push({ type: 'send', call })
  return { ...state, calls: call.number, call }
}

/** Release, once more, a holder that nobody stands for; nobody waits for the answer. */
function disown(m: Machine, state: State, attempt: number): State {
  const call: Call = { number: state.calls + 1, verb: 'release', attempt, sent: instantOf(m.now), limitMs: m.timing.callMs }
  m.effects.push({ type: 'send', call })
  return { ...state, calls: call.number }
}
