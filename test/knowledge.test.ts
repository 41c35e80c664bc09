/** What is known of who leads never goes back: neither behind a later question, nor behind a larger token. */

import { expect, test } from 'vitest'
import { Knowledge, type Seen } from '../src/knowledge.ts'
import { ManualClock } from '../src/testing/index.ts'

const seen = (fencingToken: number): Seen => {
  return { candidate: `c${fencingToken}`, fencingToken, advert: undefined, heldMs: undefined, remainingMs: 1000, isMe: false }
}

function fresh() {
  const clock = new ManualClock()
  return { clock, knowledge: new Knowledge(clock) }
}

test('an answer that was overtaken is no news', async () => {
  const { clock, knowledge } = fresh()
  const first = clock.mono()
  await clock.advance(10)
  expect(knowledge.learn(seen(2), clock.mono())).toBe(true)
  expect(knowledge.learn(seen(1), first)).toBe(false)
  expect(knowledge.leader()?.fencingToken).toBe(2)
})

test('a store that answered the later question first has told of the leader before', async () => {
  const { clock, knowledge } = fresh()
  const first = clock.mono()
  await clock.advance(10)
  const second = clock.mono()
  await clock.advance(10)
  expect(knowledge.learn(seen(2), first)).toBe(true)
  await clock.advance(10)
  expect(knowledge.learn(seen(1), second)).toBe(false)
  expect(knowledge.leader()?.fencingToken).toBe(2)
})

test('a smaller token that was asked for afterwards is believed: the store has lost its memory', async () => {
  const { clock, knowledge } = fresh()
  knowledge.learn(seen(2), clock.mono())
  await clock.advance(10)
  expect(knowledge.learn(seen(1), clock.mono())).toBe(true)
  expect(knowledge.leader()?.fencingToken).toBe(1)
})
