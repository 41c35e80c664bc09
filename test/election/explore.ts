/** Breadth-first search through a world, to exhaustion, with the shortest broken trail. */

import type { Grant } from '../../src/timing.ts'
import { first, moves, type Rules, type World } from './model.ts'

export interface Exploration {
  readonly states: number
  readonly transitions: number
  /** Whether everything reachable has been seen. */
  readonly complete: boolean
  readonly roles: Readonly<Record<string, number>>
  /** The shortest way to a broken law, the broken law last. */
  readonly trail: readonly string[] | undefined
  readonly worlds: readonly World[]
}

interface Node {
  readonly world: World
  readonly from: Node | undefined
  readonly move: string
}

export function explore(rules: Rules, most: number, keepEvery = 0): Exploration {
  const seen = new Set<string>([keyOf(rules, first)])
  let layer: Node[] = [{ world: first, from: undefined, move: 'begin' }]
  let transitions = 0
  const roles: Record<string, number> = {}
  const worlds: World[] = []
  while (layer.length > 0) {
    const next: Node[] = []
    for (const node of layer) {
      for (const { name, world } of moves(rules, node.world)) {
        transitions++
        const child: Node = { world, from: node, move: name }
        if (world.broken) return { states: seen.size, transitions, complete: false, roles, trail: trailOf(child), worlds }
        const key = keyOf(rules, world)
        if (seen.has(key)) continue
        seen.add(key)
        roles[world.state.role] = (roles[world.state.role] ?? 0) + 1
        if (keepEvery > 0 && seen.size % keepEvery === 0) worlds.push(world)
        if (seen.size >= most) return { states: seen.size, transitions, complete: false, roles, trail: undefined, worlds }
        next.push(child)
      }
    }
    layer = next
  }
  return { states: seen.size, transitions, complete: true, roles, trail: undefined, worlds }
}

function trailOf(node: Node): string[] {
  const trail = [`broken: ${node.world.broken}`]
  for (let at: Node | undefined = node; at?.from; at = at.from) trail.unshift(`t=${at.world.now} ${at.move}`)
  return trail
}

/**
 * Two worlds that differ only in when they happen, or in the numbers of their attempts and calls, are the same. What is
 * older than a ttl is only old: nothing granted then can be believed now.
 */
function keyOf(rules: Rules, world: World): string {
  const { now, state, row } = world
  const old = -rules.timing.ttlMs
  const since = (at: number) => (at > now + 1e6 ? 'x' : Math.max(old, Math.ceil(at - now)))
  const left = (at: number) => Math.max(0, Math.ceil(at - now))
  const attempt = ranks()
  const call = ranks()
  const grant = (it: Grant | undefined) => (it ? `${since(it.sent.mono)}/${it.ms}` : '-')
  const callKey = (it: Call | undefined): string =>
    it ? `${call(it.number)}${it.verb[2]}${attempt(it.attempt)}@${since(it.sent.mono)}/${it.limitMs}` : '-'

  const machine = (): string => {
    switch (state.role) {
      case 'idle':
        return 'i'
      case 'following': {
        const bid = state.bid ? `${attempt(state.bid.attempt)}@${since(state.bid.first.mono)}${state.bid.doubtful}` : '-'
        return `f${bid},${callKey(state.call)},${left(state.lookAt)},${left(state.notBefore)},${Math.min(state.failures, 2)},${state.again}`
      }
      case 'leading':
        return `l${attempt(state.attempt)},${grant(state.grant)},${callKey(state.call)},${since(state.renewAt)},${state.again},${state.working},${state.fencingToken === row.token}`
      case 'draining': {
        const overrun = state.working ? (state.overran ? 'o' : left(state.overrunAt)) : '-'
        const renewals = state.grant ? `${grant(state.grant)},${since(state.renewAt)},${state.again}` : '-'
        return `d${attempt(state.attempt)},${renewals},${callKey(state.call)},${overrun},${state.owed},${state.next},${state.cooldownMs},${Math.min(state.failures, 1)}`
      }
    }
  }
  const answers = world.answers
    .map((it) => `${it.type[2]}${callKey(it.call)}${detailOf(it, state.role === 'leading' ? state.fencingToken : undefined)}`)
    .join()
  const lease = row.expiresAt > now ? `${attempt(row.holder)}/${left(row.expiresAt)}` : `${attempt(row.holder)}/0`
  return `${machine()}|${lease}|${world.requests.map(callKey).join()}|${answers}|${world.working === undefined ? '-' : attempt(world.working)}|${world.wanted}${world.open === undefined ? '-' : attempt(world.open)},${left(world.asideUntil)},${world.robbed === undefined ? '-' : attempt(world.robbed)}`
}

type Call = World['requests'][number]

/** Of a rival's token only one thing is ever asked: whether it is larger than that of the present tenure. */
function detailOf(answer: World['answers'][number], token: number | undefined): string {
  if (answer.type === 'won') return `/${answer.grantedMs}`
  if (answer.type === 'renewed') return `/${answer.grantedMs}`
  if (answer.type === 'refused') return `/${answer.freeInMs}/${token !== undefined && (answer.rivalToken ?? 0) > token}`
  return ''
}

/** Number things by the order in which they are met; what is not an attempt stays as it is. */
function ranks(): (n: number) => number {
  const known = new Map<number, number>()
  return (n) => {
    if (n <= 0) return n
    const rank = known.get(n) ?? known.size + 1
    known.set(n, rank)
    return rank
  }
}
