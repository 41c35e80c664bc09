/**
 * A small world around the machine, for exploration to exhaustion: one candidate, one lease row, one rival, and a
 * network that keeps, loses, doubles and reorders. Time is a grid of whole ticks. Timers may be late for ever, so that
 * a frozen process is just a path on which nobody wakes.
 */

import { isLeader, type step, wakeAt } from '../../src/election.ts'
import { type Effect, type Input, initialState, type State } from '../../src/states.ts'
import { believedMs, type Timing } from '../../src/timing.ts'

type Call = Extract<Effect, { type: 'send' }>['call']
type Answer = Extract<Input, { call: Call }>

export const rival = -1

/** The lease as the store keeps it. The last holder is remembered: it never comes back. */
interface Row {
  readonly holder: number
  readonly token: number
  readonly expiresAt: number
}

export interface World {
  readonly now: number
  readonly state: State
  readonly row: Row
  readonly requests: readonly Call[]
  readonly answers: readonly Answer[]
  /** The attempt whose work runs. */
  readonly working: number | undefined
  /** Whether the user wants it to stand. */
  readonly wanted: boolean
  /** The attempt that the world knows to be of unknown fate. */
  readonly open: number | undefined
  /** Until when it has to stand aside. */
  readonly asideUntil: number
  /** An operator has given the lease of this attempt away, and it has not been told. */
  readonly robbed: number | undefined
  readonly broken: string | undefined
}

export interface Rules {
  readonly timing: Timing
  readonly dice: number
  /** How many requests, and how many answers, may be under way. What is more is lost. */
  readonly slots: number
  /** Whether an operator may give a living lease away. */
  readonly operator: boolean
  readonly step: typeof step
}

export const first: World = {
  now: 0,
  state: initialState,
  row: { holder: 0, token: 0, expiresAt: 0 },
  requests: [],
  answers: [],
  working: undefined,
  wanted: false,
  open: undefined,
  asideUntil: 0,
  robbed: undefined,
  broken: undefined,
}

export interface Move {
  readonly name: string
  readonly world: World
}

/** Everything that can happen next. */
export function moves(rules: Rules, world: World): Move[] {
  const found: Move[] = [{ name: 'tick', world: judged(rules, { ...world, now: world.now + 1 }) }]
  const tell = (name: string, input: Input, change: Partial<World> = {}) =>
    found.push({ name, world: told(rules, { ...world, ...change }, input) })
  const { state } = world

  if (wakeAt(rules.timing, state) <= world.now) tell('wake', { type: 'wake' })
  if (world.wanted) tell('stop', { type: 'stop' }, { wanted: false, asideUntil: 0 })
  else tell('start', { type: 'start' }, { wanted: true })
  if (state.role === 'leading') tell('leave', { type: 'leave', why: 'stepped-down', cooldownMs: 2 })
  if (state.role === 'leading' || state.role === 'following') tell('nudge', { type: 'nudge' })
  if (world.working !== undefined) tell('work ends', { type: 'settled', attempt: world.working }, { working: undefined })

  world.requests.forEach((request, i) => {
    const rest = world.requests.filter((_, other) => other !== i)
    found.push({ name: `${request.verb} lands`, world: judged(rules, landed(rules, { ...world, requests: rest }, request)) })
    if (request.verb !== 'read')
      found.push({ name: `${request.verb} lands, and will again`, world: judged(rules, landed(rules, world, request)) })
  })
  world.answers.forEach((answer, i) => {
    const rest = world.answers.filter((_, other) => other !== i)
    tell(`${answer.call.verb} answered ${answer.type}`, answer, { answers: rest })
  })
  if (state.role !== 'idle' && state.call) tell('call fails', { type: 'failed', call: state.call })

  const { row } = world
  const free = row.expiresAt <= world.now
  if (free) found.push({ name: 'rival wins', world: judged(rules, { ...world, row: held(rules, world, rival) }) })
  else if (row.holder === rival) found.push({ name: 'rival releases', world: { ...world, row: { ...row, expiresAt: world.now } } })
  else if (rules.operator && state.role === 'leading' && row.holder === state.attempt) {
    found.push({ name: 'operator gives it to the rival', world: { ...world, row: held(rules, world, rival), robbed: state.attempt } })
  }
  return found
}

function held(rules: Rules, world: World, holder: number): Row {
  return { holder, token: world.row.token + 1, expiresAt: world.now + rules.timing.ttlMs }
}

/** A request reaches the store, which does as the contract says, and answers. */
function landed(rules: Rules, world: World, call: Call): World {
  const { row, now } = world
  const live = row.expiresAt > now
  const ours = live && row.holder === call.attempt
  const answered = (answer: Answer, next: Row = row): World => ({ ...world, row: next, answers: kept(rules, world.answers, answer) })
  switch (call.verb) {
    case 'acquire': {
      if (ours) return answered({ type: 'won', call, fencingToken: row.token, grantedMs: row.expiresAt - now })
      if (live) return answered({ type: 'refused', call, rivalToken: row.token, freeInMs: row.expiresAt - now })
      if (row.holder === call.attempt) return answered({ type: 'refused', call, rivalToken: undefined, freeInMs: 0 })
      const next = held(rules, world, call.attempt)
      return answered({ type: 'won', call, fencingToken: next.token, grantedMs: rules.timing.ttlMs }, next)
    }
    case 'renew': {
      if (!ours) return answered({ type: 'renewed', call, grantedMs: 0 })
      return answered({ type: 'renewed', call, grantedMs: rules.timing.ttlMs }, { ...row, expiresAt: now + rules.timing.ttlMs })
    }
    case 'release':
      return answered({ type: 'released', call }, ours ? { ...row, expiresAt: now } : row)
    case 'read':
      return answered({ type: 'refused', call, rivalToken: live ? row.token : undefined, freeInMs: live ? row.expiresAt - now : 0 })
  }
}

function told(rules: Rules, world: World, input: Input): World {
  const before = world.state
  const moment = { mono: world.now, wall: world.now, dice: rules.dice }
  const { state, effects } = rules.step(rules.timing, before, input, moment)
  let next: World = { ...world, ...heard(world, input), state }
  if (before.role === 'draining' && state.role === 'following') next = { ...next, asideUntil: world.now + before.cooldownMs }
  let broken: string | undefined
  for (const effect of effects) {
    switch (effect.type) {
      case 'send':
        next = { ...next, requests: kept(rules, next.requests, effect.call) }
        broken ??= wrongSend(next, effect.call)
        if (effect.call.verb === 'release' && next.open === effect.call.attempt) next = { ...next, open: undefined }
        break
      case 'elect':
        if (next.working !== undefined) broken ??= 'elected while the work of an earlier tenure runs'
        if (!next.wanted) broken ??= 'elected after stop'
        next = { ...next, working: effect.attempt }
        break
      case 'depose':
        if (effects[0] !== effect) broken ??= 'something came before the abort of the signal'
        break
      case 'overrun':
        if (next.working !== effect.attempt) broken ??= 'work that has ended was called overrun'
        break
      case 'abandon':
        if (world.now < effect.call.sent.mono + effect.call.limitMs) broken ??= 'a call was given up before its time'
        break
    }
  }
  return judged(rules, { ...next, broken })
}

/** What the world knows once the machine has been told. */
function heard(world: World, input: Input): Partial<World> {
  if (!('call' in input)) return {}
  const { verb, attempt, number } = input.call
  const current = world.state.role !== 'idle' && world.state.call?.number === number
  if (input.type === 'renewed' && input.grantedMs === 0 && attempt === world.robbed) return { robbed: undefined }
  if (verb !== 'acquire') return {}
  if (input.type === 'failed') return { open: attempt }
  return attempt === world.open && (current || input.type === 'won') ? { open: undefined } : {}
}

function wrongSend(world: World, call: Call): string | undefined {
  if (call.verb === 'release' && world.working === call.attempt) return 'released while the work runs'
  if (call.verb !== 'acquire') return undefined
  if (!world.wanted) return 'a bid after stop'
  if (world.now < world.asideUntil) return 'a bid while it has to stand aside'
  if (world.open !== undefined && world.open !== call.attempt) return 'a second holder bids while the first is open'
  return undefined
}

/** Forget what can have no effect any more, so that worlds that cannot differ in the future are one. */
function pruned(world: World): World {
  const { state, row } = world
  const current = state.role === 'idle' || state.role === 'following' ? undefined : state.attempt
  const bid = state.role === 'following' ? state.bid?.attempt : undefined
  const inFlight = state.role === 'idle' ? undefined : state.call?.number
  const bids = (attempt: number) => world.requests.some((request) => request.verb === 'acquire' && request.attempt === attempt)
  const matters = (attempt: number) => attempt === current || attempt === bid || attempt === row.holder || bids(attempt)
  const requests = world.requests.filter((request) => {
    if (request.number === inFlight || request.verb === 'acquire') return true
    return request.verb === 'read' ? false : matters(request.attempt)
  })
  const answers = world.answers.filter((answer) => {
    if (answer.call.number === inFlight || answer.type === 'won') return true
    if (answer.type === 'renewed') return answer.call.attempt === current
    // A late refusal counts as a read, and says something only to somebody who leads, or may yet with this attempt.
    return answer.type === 'refused' && answer.rivalToken !== undefined && (state.role === 'leading' || bid !== undefined)
  })
  const known = matters(row.holder) || answers.some((answer) => answer.call.attempt === row.holder)
  const open = state.role === 'idle' ? undefined : world.open
  const robbed = current === world.robbed ? current : undefined
  // A lease that nobody here stands for is as good as somebody else's.
  return { ...world, requests, answers, open, robbed, row: known ? row : { ...row, holder: rival } }
}

/** The laws that hold in every state of the world. */
function judged(rules: Rules, before: World): World {
  if (before.broken) return before
  const world = pruned(before)
  const { state, now, row } = world
  const broken = (why: string): World => ({ ...world, broken: why })
  const at = { mono: now, wall: now }
  if (isLeader(rules.timing, state, at)) {
    const gone = row.holder !== (state.role === 'leading' ? state.attempt : undefined) || row.expiresAt <= now
    if (gone && (state.role !== 'leading' || world.robbed !== state.attempt))
      return broken('believes to lead, and the store says otherwise')
    if (!gone && now >= row.expiresAt - rules.timing.marginMs && rules.timing.marginMs > 0)
      return broken('believes to lead within the margin')
  }
  if (world.working !== undefined) {
    const reigning = (state.role === 'leading' || state.role === 'draining') && state.attempt === world.working
    if (!reigning) return broken('work runs, and the machine has forgotten it')
    if (
      state.role === 'draining' &&
      world.robbed !== state.attempt &&
      state.grant &&
      row.holder !== state.attempt &&
      remaining(rules, state.grant, now) > 0
    )
      return broken('drains on a lease that is gone')
  }
  const timerAt = wakeAt(rules.timing, state)
  if (state.role === 'leading' && timerAt > now + rules.timing.renewMs && state.renewAt !== Number.POSITIVE_INFINITY)
    return broken('leads without a timer before the next renewal')
  if (state.role !== 'idle' && timerAt === Number.POSITIVE_INFINITY && !waitsForWork(state)) return broken('nothing will ever wake it')
  if (!world.wanted && (state.role === 'leading' || state.role === 'following')) return broken('stands after stop')
  return world
}

/** Nothing but its work can wake it: it has overrun, or may take as long as it likes. */
function waitsForWork(state: State): boolean {
  return state.role === 'draining' && state.working && (state.overran || state.overrunAt === Number.POSITIVE_INFINITY)
}

function remaining(rules: Rules, grant: { sent: { mono: number }; ms: number }, now: number): number {
  return grant.sent.mono + believedMs(rules.timing, grant.ms) - now
}

function kept<T>(rules: Rules, list: readonly T[], item: T): readonly T[] {
  return [...list, item].slice(-rules.slots)
}
