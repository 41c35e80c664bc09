/** The judge of the outbox, on logs with a fault planted. */

import { expect, test } from 'vitest'
import { judge, type Log, namesOf, type Offer } from '../../bench/soak/outbox/judge.ts'

const bounds = { waitMs: 1000, batch: 2 }
const offer = (id: number, fencingToken: number, at: number, answer: Offer['answer'] = 'accepted'): Offer => ({
  id,
  fencingToken,
  answer,
  at,
})

/** Two services, the first killed with one message in flight. Nothing is wrong with it. */
const right: Log = {
  inserted: [1, 2, 3, 4].map((id) => ({ id, at: 100 * id })),
  offers: [
    offer(1, 10, 110),
    offer(2, 10, 210),
    offer(2, 20, 900, 'repeated'),
    offer(3, 20, 910),
    offer(3, 10, 911, 'stale'),
    offer(4, 20, 920),
  ],
  tenures: [
    { fencingToken: 10, service: 'a', at: 0 },
    { fencingToken: 20, service: 'b', at: 890 },
  ],
  strikes: [{ kind: 'kill', from: 215, to: 925, struck: [10] }],
  samples: [],
}
const faultsOf = (change: Partial<Log>) => namesOf(judge({ ...right, ...change }, bounds).faults)
const after = (...offers: Offer[]) => ({ offers: [...right.offers, ...offers] })

test('a kill with a repetition of what was in flight is no fault', () => {
  const verdict = judge(right, bounds)
  expect(namesOf(verdict.faults)).toEqual([])
  expect(verdict).toMatchObject({ accepted: 4, repeats: 1, refused: 1, changes: 1, longestMs: { kill: 610, calm: 10 } })
})

test('what the receiver must not do is caught', () => {
  expect(faultsOf(after(offer(4, 20, 930)))).toEqual(['acceptedTwice 1', 'strayRepeats 1'])
  const inserted = [...right.inserted, { id: 5, at: 500 }, { id: 6, at: 500 }]
  expect(faultsOf({ inserted, ...after(offer(5, 20, 930), offer(6, 10, 940)) })).toEqual(['staleAccepted 1'])
  expect(faultsOf({ inserted, ...after(offer(6, 20, 930), offer(5, 20, 940)) })).toEqual(['outOfOrder 1'])
})

test('a message that is lost, or waits for too long, is caught', () => {
  const inserted = [...right.inserted, { id: 5, at: 500 }]
  expect(faultsOf({ inserted })).toEqual(['lost 1'])
  expect(faultsOf({ inserted, ...after(offer(5, 20, 1501)) })).toEqual(['waitedTooLong 1'])
})

test('a repetition is unavoidable only by the heir of a leader that was killed or frozen, or too slow for its ttl', () => {
  // The same leader, after something new; and again.
  expect(faultsOf(after(offer(3, 20, 930, 'repeated')))).toEqual(['strayRepeats 1'])
  // After a graceful handover.
  expect(faultsOf({ strikes: [{ kind: 'rolling', from: 215, to: 925, struck: [10] }] })).toEqual(['strayRepeats 1'])
  // After a lease that ran out, as its leader says: that it did is told as what it is.
  const [slow, heir] = right.tenures
  for (const why of ['expired', 'superseded', 'stopped']) {
    const tenures = slow && heir ? [{ ...slow, why }, heir] : []
    expect(faultsOf({ tenures, strikes: [] })).toEqual(why === 'stopped' ? ['strayRepeats 1', 'changesAmiss 1'] : ['lostToSlowness 1'])
  }
  // The same message twice, and more than a batch.
  const [first, second] = right.offers
  if (!first || !second) throw new Error('no offers')
  const twice = [first, second, offer(2, 20, 900, 'repeated'), offer(2, 20, 901, 'repeated'), ...right.offers.slice(3)]
  expect(faultsOf({ offers: twice })).toEqual(['strayRepeats 1'])
  const heirs = [1, 2].map((id) => offer(id, 20, 900, 'repeated'))
  const offers = [first, second, ...heirs, ...right.offers.slice(3)]
  expect(faultsOf({ offers })).toEqual([])
  expect(namesOf(judge({ ...right, offers }, { ...bounds, batch: 1 }).faults)).toEqual(['strayRepeats 1'])
})

test('a sender that never led is caught', () => {
  const inserted = [...right.inserted, { id: 5, at: 500 }]
  expect(faultsOf({ inserted, ...after(offer(5, 30, 930)) })).toEqual(['byNobody 1'])
})

test('leaders that change without being struck, or not when they are, are caught', () => {
  const [a, b] = right.tenures
  if (!a || !b) throw new Error('no tenures')
  const third = { fencingToken: 30, service: 'a', at: 950 }
  expect(faultsOf({ tenures: [a, b, third] })).toEqual(['changesAmiss 1'])
  expect(faultsOf({ tenures: [a, { ...b, why: 'expired' }, third] })).toEqual(['lostToSlowness 1'])
  const follower = { kind: 'follower' as const, from: 930, to: 960, struck: [] }
  expect(faultsOf({ tenures: [a, b, third], strikes: [...right.strikes, follower] })).toEqual(['changesAmiss 1'])
  expect(faultsOf({ strikes: [...right.strikes, { kind: 'freeze', from: 930, to: 960, struck: [20] }] })).toEqual(['changesAmiss 1'])
  expect(faultsOf({ tenures: [a, { ...b, service: 'a' }] })).toEqual(['sameAgain 1'])
})

test('a rolling restart may change the leader as often as it hits one', () => {
  const tenures = [...right.tenures, { fencingToken: 30, service: 'c', at: 940 }, { fencingToken: 40, service: 'a', at: 950 }]
  const rolling = { kind: 'rolling' as const, from: 930, to: 960, struck: [20, 30] }
  const verdict = judge({ ...right, tenures, strikes: [...right.strikes, rolling] }, bounds)
  expect(namesOf(verdict.faults)).toEqual([])
  expect(verdict.mostChangesInRolling).toBe(2)
  expect(faultsOf({ tenures, strikes: [...right.strikes, { ...rolling, struck: [20] }] })).toEqual(['changesAmiss 1'])
})

test('connections and transactions that grow are caught', () => {
  const samples = (connections: (index: number) => number, rate: (index: number) => number) => {
    let transactions = 0
    return Array.from({ length: 12 }, (_, index) => {
      transactions += rate(index)
      return { at: 1000 * index, connections: connections(index), transactions }
    })
  }
  const flat = () => 6
  expect(faultsOf({ samples: samples(flat, () => 30) })).toEqual([])
  expect(
    faultsOf({
      samples: samples(
        (index) => 6 + index,
        () => 30,
      ),
    }),
  ).toEqual(['growth 1'])
  expect(faultsOf({ samples: samples(flat, (index) => 30 + 10 * index) })).toEqual(['growth 1'])
})
