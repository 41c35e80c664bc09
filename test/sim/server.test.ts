/** What the model of a store declares of itself holds under what happens to it. */

import { expect, test } from 'vitest'
import { Network } from '../../sim/network.ts'
import { type Plan, planOf } from '../../sim/plan.ts'
import { Host } from '../../sim/process.ts'
import { crashStore, stepStore } from '../../sim/stores/mishaps.ts'
import { type Answer, Server } from '../../sim/stores/server.ts'
import { Watchers } from '../../sim/stores/watchers.ts'
import { World } from '../../sim/world.ts'

const TTL_MS = 1000
const HOUR_MS = 3_600_000
const plan: Plan = { ...planOf(1, 'clock'), grid: true, skew: 'none', faults: [] }

function fresh() {
  const world = new World(1)
  const server = new Server(world, plan, new Watchers(world, plan, new Network(world, plan)))
  const host = new Host(world, plan, 0, 1)
  const answers: Answer[] = []
  const bid = (holder: string) => {
    const request = { election: 'e', holder, candidate: 'c', advert: undefined, ttlMs: TTL_MS, session: '', host }
    server.handle({ ...request, verb: 'acquire', purpose: 'acquire' }, (answer) => answers.push(answer))
  }
  return { world, server, answers, bid }
}

test('a write under way while the clock is stepped back lasts no longer than a ttl', () => {
  const { world, server, answers, bid } = fresh()
  server.slowMs = 100
  world.at(0, () => bid('a'))
  world.at(50, () => stepStore(server, 50, -HOUR_MS))
  world.turn(200)
  expect(answers).toMatchObject([{ type: 'lease', lease: { holder: 'a' } }])
  expect(server.row('e')?.expiresAt).toBeLessThanOrEqual(server.now + TTL_MS)
})

test.each([['all' as const], [1]])('a copy of a bid wins nothing when what it won is lost (%s)', (lost) => {
  const { server, answers, bid } = fresh()
  bid('a')
  crashStore(server, plan, lost)
  bid('a')
  bid('b')
  expect(answers).toMatchObject([{ lease: { holder: 'a' } }, { lease: undefined }, { lease: { holder: 'b' } }])
})
