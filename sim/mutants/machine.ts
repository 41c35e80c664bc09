/** Faults planted in the machine and in its arithmetic. */

import type { Mutant } from './list.ts'

const election = 'src/election.ts'
const states = 'src/states.ts'
const timing = 'src/timing.ts'

export const machineMutants: readonly Mutant[] = [
  {
    name: 'the deadline counts from the answer to the bid',
    file: election,
    find: '{ sent: m.timing.observed ? state.bid.first : answer.call.sent, ms: answer.grantedMs }',
    replace: '{ sent: instantOf(m.now), ms: answer.grantedMs }',
  },
  {
    name: 'the deadline counts from the answer to the renewal',
    file: election,
    find: 'const grant = laterGrant(state.grant, { sent: answer.call.sent, ms: answer.grantedMs })\n  const renewAt',
    replace: 'const grant = laterGrant(state.grant, { sent: instantOf(m.now), ms: answer.grantedMs })\n  const renewAt',
  },
  { name: 'no allowance for drift', file: timing, find: '* (1 - 2 * timing.drift) - timing.marginMs', replace: '- timing.marginMs' },
  { name: 'allowance for one clock only', file: timing, find: '* (1 - 2 * timing.drift) -', replace: '* (1 - timing.drift) -' },
  { name: 'no margin', file: timing, find: '* (1 - 2 * timing.drift) - timing.marginMs', replace: '* (1 - 2 * timing.drift)' },
  {
    name: 'the wall clock alone',
    file: timing,
    find: 'return Math.max(now.mono - since.mono, now.wall - since.wall)',
    replace: 'return now.wall - since.wall',
  },
  {
    name: 'the monotonic clock alone, while the machine sleeps',
    file: timing,
    find: 'return Math.max(now.mono - since.mono, now.wall - since.wall)',
    replace: 'return now.mono - since.mono',
  },
  {
    name: 'timers instead of the clock',
    file: election,
    find: "return state.role === 'leading' && remainingMs(timing, state.grant, now) > 0",
    replace: "return state.role === 'leading' && now.mono >= 0",
  },
  {
    name: 'an overdue tenure ends with its timer only',
    file: election,
    find: 'let next = lapse(machine, state)',
    replace: "let next = input.type === 'wake' ? lapse(machine, state) : state",
  },
  {
    name: 'leading still at the deadline itself',
    file: election,
    find: "return state.role === 'leading' && remainingMs(timing, state.grant, now) > 0",
    replace: "return state.role === 'leading' && remainingMs(timing, state.grant, now) >= 0",
    also: [
      {
        find: 'if (!state.grant || remainingMs(m.timing, state.grant, m.now) > 0) return state',
        replace: 'if (!state.grant || remainingMs(m.timing, state.grant, m.now) >= 0) return state',
      },
      {
        find: 'state.grant.sent.mono + believedMs(timing, state.grant.ms) : ',
        replace: 'state.grant.sent.mono + believedMs(timing, state.grant.ms) + 1 : ',
      },
    ],
  },
  {
    name: 'half a second of grace',
    file: timing,
    find: 'return believedMs(timing, grant.ms) - elapsedMs(grant.sent, now)',
    replace: 'return believedMs(timing, grant.ms) + 500 - elapsedMs(grant.sent, now)',
  },
  {
    name: 'a slow bid is believed without looking at the clock',
    file: election,
    find: 'if (remainingMs(m.timing, grant, m.now) > 0) return elect(',
    replace: 'if (m.now.mono >= 0) return elect(',
  },
  {
    name: 'observed: a repeated bid counts from its last send',
    file: election,
    find: 'm.timing.observed ? state.bid.first : answer.call.sent',
    replace: 'answer.call.sent',
  },
  {
    name: 'renewing although it is too late',
    file: election,
    find: "if (limitMs === undefined) return { ...state, renewAt: m.now.mono + leftMs }\n  return send(m, state, 'renew', state.attempt, limitMs)",
    replace: "return send(m, state, 'renew', state.attempt, limitMs ?? m.timing.callMs)",
  },
  {
    name: 'a machine that slept waits for its timers',
    file: election,
    find: 'if (limitMs === undefined) return { ...state, renewAt: m.now.mono + leftMs }',
    replace: 'if (limitMs === undefined) return { ...state, renewAt: Number.POSITIVE_INFINITY }',
  },
  {
    name: 'a bid of unknown fate is taken for won',
    file: election,
    find: "  if (state.role === 'following') {\n    const failures = state.failures + 1\n    const bid",
    replace:
      "  if (state.role === 'following' && call.verb === 'acquire') return elect(m, state, call.attempt, m.now.wall, { sent: call.sent, ms: m.timing.ttlMs })\n  if (state.role === 'following') {\n    const failures = state.failures + 1\n    const bid",
  },
  {
    name: 'a bid of unknown fate is forgotten',
    file: election,
    find: 'const bid = state.bid && { ...state.bid, doubtful: true }',
    replace: 'const bid = undefined',
  },
  {
    name: 'a failed renewal is taken for granted',
    file: election,
    find: "  if (call.verb === 'renew') {\n    const failures",
    replace:
      "  if (call.verb === 'renew' && state.grant) return { ...state, grant: { sent: call.sent, ms: m.timing.ttlMs }, renewAt: m.now.mono + m.timing.renewMs }\n  if (call.verb === 'renew') {\n    const failures",
  },
  {
    name: 'a refused renewal is ignored',
    file: election,
    find: "if (answer.grantedMs <= 0) return state.role === 'leading' ? depose(m, state, 'superseded') : { ...state, grant: undefined }",
    replace: 'if (answer.grantedMs <= 0) return state',
  },
  {
    name: 'a late refusal is ignored',
    file: election,
    find: '      return renewed(m, state, answer)\n',
    replace: '      return current ? renewed(m, state, answer) : state\n',
  },
  {
    name: 'one failed renewal ends the tenure',
    file: election,
    find: "  if (call.verb === 'renew') {\n    const failures",
    replace:
      "  if (call.verb === 'renew' && state.role === 'leading') return depose(m, state, 'expired')\n  if (call.verb === 'renew') {\n    const failures",
  },
  {
    name: 'released before the work has ended',
    file: election,
    find: '  if (state.working) return renewWhenDue(m, state)\n  if (state.call) return state\n',
    replace:
      "  if (state.call) return state\n  if (state.owed) return send(m, { ...state, grant: undefined, owed: false }, 'release', state.attempt, m.timing.callMs)\n  if (state.working) return state\n",
  },
  {
    name: 'the next work does not wait for the last',
    file: election,
    find: '    working: state.working,\n',
    replace: '    working: false,\n',
  },
  {
    name: 'a lease is not renewed while the work drains',
    file: election,
    find: '  if (state.working) return renewWhenDue(m, state)\n  if (state.call) return state\n',
    replace: '  if (state.working || state.call) return state\n',
  },
  {
    name: 'nothing is released at the end of a tenure',
    file: election,
    find: '    grant: chosen.has(why) ? state.grant : undefined,\n    owed: true,\n',
    replace: '    grant: chosen.has(why) ? state.grant : undefined,\n    owed: false,\n',
  },
  {
    name: 'what is left outlives the release',
    file: election,
    find: "{ ...state, grant: undefined }, 'release', state.attempt, m.timing.callMs)\n  if (state.next",
    replace: "state, 'release', state.attempt, m.timing.callMs)\n  if (state.next",
  },
  {
    name: 'a lease won too late is left to lapse',
    file: election,
    find: '  // Won by an attempt that nobody stands for any more, or that is being released already.\n  return disown(m, state, attempt)',
    replace: '  return state',
  },
  {
    name: 'stop() forgets a bid in the air',
    file: election,
    find: 'if (!state.call && !state.bid?.doubtful) return idle(state)',
    replace: 'if (m !== undefined) return idle(state)',
    also: [
      { find: 'function abandonBid(state: Following): State {', replace: 'function abandonBid(state: Following, m: unknown = 1): State {' },
    ],
  },
  {
    name: 'stop() forgets a bid of unknown fate',
    file: election,
    find: 'if (!state.call && !state.bid?.doubtful) return idle(state)',
    replace: 'if (!state.call) return idle(state)',
  },
  {
    name: 'renewals have no bound',
    file: election,
    find: "return send(m, state, 'renew', state.attempt, limitMs)",
    replace: "return send(m, state, 'renew', state.attempt, limitMs * 1e6)",
  },
  {
    name: 'followers look every thirty seconds',
    file: timing,
    find: 'const patience = watched ? timing.ttlMs : jittered(timing.retryMs, dice)\n  return Math.min(freeInMs + spreadMs(dice), patience)',
    replace: 'return watched || timing ? 30_000 + dice + 0 * freeInMs : 0',
  },
  {
    name: 'the pause after errors doubles without end',
    file: timing,
    find: 'return jittered(Math.min(doubled, Math.max(timing.retryMs, timing.ttlMs)), dice)',
    replace: 'return jittered(doubled, dice)',
  },
  {
    name: 'the cool-down is forgotten',
    file: election,
    find: "if (m.now.mono < state.notBefore) return send(m, state, 'read', state.attempts, m.timing.callMs)",
    replace: '',
  },
  {
    name: 'numbers begin again after stop()',
    file: states,
    find: "return { role: 'idle', ...countersOf(state) }",
    replace: "return { role: 'idle', ...countersOf(state), attempts: 0, calls: 0 }",
  },
  {
    name: 'something is left of a lease that was taken',
    file: election,
    find: 'grant: chosen.has(why) ? state.grant : undefined,',
    replace: 'grant: state.grant,',
  },
  {
    name: 'a lease goes on being renewed after its work has overrun',
    file: election,
    find: 'state = { ...state, overran: true, grant: undefined }',
    replace: 'state = { ...state, overran: true }',
  },
  {
    name: 'an early timer gives up the call in the air',
    file: election,
    find: '  if (m.now.mono < call.sent.mono + call.limitMs) return state\n',
    replace: '',
  },
  {
    name: 'renewals fall after the grid instead of before',
    file: timing,
    find: 'return Math.floor((sentMono + renewMs - phaseMs) / renewMs) * renewMs + phaseMs',
    replace: 'return Math.ceil((sentMono + renewMs * 1.5 - phaseMs) / renewMs) * renewMs + phaseMs',
  },
  {
    name: 'a renewal has as long as any other call',
    file: timing,
    find: 'const limit = Math.min(timing.callMs, leftMs / 2)',
    replace: 'const limit = leftMs > 0 ? timing.callMs : 0',
  },
  {
    name: 'pauses are not jittered',
    file: timing,
    find: 'return ms * (0.5 + 0.5 * dice)',
    replace: 'return ms * (1 + 0 * dice)',
  },
  {
    name: 'a nudge is believed',
    file: election,
    find: '  return { ...state, renewAt: m.now.mono }',
    replace: "  return state.role === 'leading' ? depose(m, state, 'superseded') : { ...state, renewAt: m.now.mono }",
  },
  {
    name: 'a late read proves a rival',
    file: election,
    find: "return (answer.rivalToken ?? 0) > state.fencingToken ? depose(m, state, 'superseded') : state",
    replace: "return depose(m, state, 'superseded')",
  },
]
