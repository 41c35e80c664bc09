/** The machine, visited in every state that it can reach in a small world. The shortest broken trail is the message. */

import { describe, expect, test } from 'vitest'
import { isLeader, step } from '../../src/election.ts'
import type { Input } from '../../src/states.ts'
import { explore } from './explore.ts'
import { moves, type Rules, type World } from './model.ts'

const timing = { ttlMs: 4, renewMs: 1, callMs: 1, marginMs: 1, drift: 0, retryMs: 2, drainMs: 4, observed: false, phaseMs: 0 }
const rules: Rules = { timing, dice: 0, slots: 1, operator: false, step }

describe('every state of the machine keeps the laws', () => {
  test('to exhaustion, with late, lost, doubled and reordered messages and a rival', { timeout: 300_000 }, () => {
    const found = explore(rules, 1_000_000)
    expect(found.trail?.join('\n')).toBeUndefined()
    expect(found.complete).toBe(true)
    for (const role of ['idle', 'following', 'leading', 'draining']) expect(found.roles[role], role).toBeGreaterThan(100)
  })

  test.each([
    ['an operator who gives living leases away', { ...rules, operator: true }],
    ['two messages of a kind under way', { ...rules, slots: 2 }],
    ['without a margin', { ...rules, timing: { ...timing, marginMs: 0 } }],
    ['where observers decide on expiry', { ...rules, timing: { ...timing, observed: true } }],
    ['with the longest pauses', { ...rules, dice: 0.999 }],
    ['where work may drain for ever', { ...rules, timing: { ...timing, drainMs: Number.POSITIVE_INFINITY } }],
  ])('%s: the first sixty thousand states', { timeout: 300_000 }, (_, variant) => {
    expect(explore(variant, 60_000).trail?.join('\n')).toBeUndefined()
  })

  test('from anywhere, once all is well, it leads, or has stopped', { timeout: 300_000 }, () => {
    const { worlds } = explore(rules, 60_000, 200)
    expect(worlds.length).toBeGreaterThan(250)
    for (const world of worlds) {
      const healed = heal(world)
      expect(healed.broken).toBeUndefined()
      if (world.wanted) expect(isLeader(timing, healed.state, { mono: healed.now, wall: healed.now }), JSON.stringify(world)).toBe(true)
      else expect(healed.state.role, JSON.stringify(world)).toBe('idle')
    }
  })
})

describe('the search catches a machine that', () => {
  const withInput =
    (change: (input: Input, now: number) => Input): typeof step =>
    (t, state, input, now) =>
      step(t, state, change(input, now.mono), now)

  const mutants: readonly [string, Rules['step'], Rules['timing']?][] = [
    [
      'counts its deadline from the answer',
      withInput((input, now) => ('grantedMs' in input ? { ...input, call: { ...input.call, sent: { mono: now, wall: now } } } : input)),
    ],
    [
      'takes a bid without an answer for won',
      withInput((input) =>
        input.type === 'failed' && input.call.verb === 'acquire' ? { type: 'won', call: input.call, fencingToken: 1, grantedMs: 4 } : input,
      ),
    ],
    [
      'takes a renewal without an answer for granted',
      withInput((input) =>
        input.type === 'failed' && input.call.verb === 'renew' ? { type: 'renewed', call: input.call, grantedMs: 4 } : input,
      ),
    ],
    [
      'adopts its own lease for a full ttl',
      withInput((input) =>
        input.type === 'won' ? { ...input, grantedMs: 4, call: { ...input.call, sent: { mono: 1e9, wall: 1e9 } } } : input,
      ),
    ],
    ['believes beyond its deadline', step, { ...timing, marginMs: -1 }],
    [
      'does not hear that it may lead no more',
      withInput((input) => (input.type === 'renewed' && input.grantedMs === 0 ? { ...input, grantedMs: 4 } : input)),
    ],
    [
      'does not wait for its work',
      (t, state, input, now) => {
        const next = step(t, state, input, now)
        return next.state.role === 'draining' ? { ...next, state: { ...next.state, working: false } } : next
      },
    ],
    [
      'forgets a bid of unknown fate',
      (t, state, input, now) => {
        const next = step(t, state, input, now)
        return next.state.role === 'following' && next.state.bid?.doubtful ? { ...next, state: { ...next.state, bid: undefined } } : next
      },
    ],
    ['stands on after stop', withInput((input) => (input.type === 'stop' ? { type: 'wake' } : input))],
    [
      'bids during its cool-down',
      (t, state, input, now) => {
        const next = step(t, state, input, now)
        return next.state.role === 'following' && input.type === 'nudge'
          ? { ...next, state: { ...next.state, notBefore: 0, lookAt: 0 } }
          : next
      },
    ],
    [
      'sleeps for ever',
      (t, state, input, now) => {
        const next = step(t, state, input, now)
        return next.state.role === 'following' && next.state.failures > 1
          ? { ...next, state: { ...next.state, call: undefined, lookAt: Number.POSITIVE_INFINITY } }
          : next
      },
    ],
  ]

  test.each(mutants)('%s', { timeout: 300_000 }, (_, mutant, mutated = timing) => {
    expect(explore({ ...rules, operator: true, step: mutant, timing: mutated }, 200_000).trail).toBeDefined()
  })
})

/** No more faults: messages arrive at once, timers fire, work ends when its tenure does, the rival's lease runs out. */
function heal(from: World): World {
  let world: World = { ...from }
  const take = (name: (move: string) => boolean): boolean => {
    const move = moves(rules, world).find((candidate) => name(candidate.name))
    if (move) world = move.world
    return move !== undefined
  }
  for (let tick = 0; tick < 60; tick++) {
    for (let i = 0; i < 50; i++) {
      if (world.state.role !== 'leading' && take((name) => name === 'work ends')) continue
      if (take((name) => name.includes('answered') || name.endsWith(' lands') || name === 'wake')) continue
      break
    }
    if (world.broken) return world
    take((name) => name === 'tick')
  }
  return world
}
