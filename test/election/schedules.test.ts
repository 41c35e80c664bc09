/**
 * B11: stop races with timers, answers and news, in ten thousand schedules drawn by chance. After `stop()` has resolved
 * nothing is claimed, no event fires, and nothing is left.
 */

import { expect, test } from 'vitest'
import { Candidate } from '../../src/index.ts'
import { ManualClock, randomFrom } from '../../src/testing/manual-clock.ts'
import { Puppet } from '../candidate/puppet.ts'

test('ten thousand schedules', { timeout: 300_000 }, async () => {
  const seen = { lateWin: 0, leading: 0, following: 0, failedRelease: 0 }
  for (let seed = 1; seed <= 10_000; seed++) await schedule(seed, seen)
  // A race that never happens proves nothing.
  for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(100)
})

async function schedule(seed: number, seen: Record<'lateWin' | 'leading' | 'following' | 'failedRelease', number>): Promise<void> {
  const chance = randomFrom(seed)
  const upTo = (n: number) => Math.floor(chance() * n)
  const clock = new ManualClock({ seed })
  const store = new Puppet(clock)
  const rival = await store.inner.acquire(
    { election: 'e', holder: 'rival', candidate: 'rival', ttlMs: 1 + upTo(400) },
    new AbortController().signal,
  )
  if (upTo(2) === 0 && rival) await store.inner.release({ election: 'e', holder: 'rival' }, new AbortController().signal)
  const events: string[] = []
  let stopped = false
  const a = new Candidate({ election: 'e', store, clock, ttlMs: 300, drainMs: 600, work: (tenure) => tenure.sleep(upTo(500)) })
  for (const event of ['elected', 'deposed', 'leader', 'trouble', 'renewed'] as const) {
    a.on(event, () => void (stopped && events.push(event)))
  }
  store.held = () => chance() < 0.6
  void a.start()
  for (let i = upTo(6); i > 0; i--) {
    const trip = store.trips.length > 0 && chance() < 0.6 ? store.trips.splice(upTo(store.trips.length), 1)[0] : undefined
    const act = upTo(3)
    if (trip && act === 0) await trip.answer()
    else if (trip && act === 1) trip.fail()
    else if (trip) await trip.land()
    await clock.advance(upTo(120))
  }
  seen[a.isLeader ? 'leading' : 'following'] += 1
  const acquires = store.counts.acquire
  const stopping = a.stop().then(() => {
    stopped = true
  })
  if (upTo(3) === 0) void a.stop()
  const wins = store.trips.filter((trip) => trip.verb === 'acquire').length
  for (let i = 0; i < 40 && !stopped; i++) {
    if (chance() < 0.3) store.trips.shift()?.fail()
    await clock.advance(60)
  }
  expect(stopped, `seed ${seed}: stop is bounded`).toBe(true)
  await stopping
  // What was under way lands, and answers, after everybody has gone home.
  if (store.trips.some((trip) => trip.verb === 'release')) seen.failedRelease += 1
  if (wins > 0) seen.lateWin += 1
  store.held = () => false
  for (const trip of store.trips.splice(0)) await trip.answer()
  await clock.advance(1000)
  expect(store.counts.acquire, `seed ${seed}: nothing is claimed after stop`).toBe(acquires)
  expect(events, `seed ${seed}: no event fires after stop`).toEqual([])
  expect(a.isLeader).toBe(false)
  expect(clock.pending, `seed ${seed}: no timer is left`).toBe(0)
  expect(await store.inner.read('e', new AbortController().signal), `seed ${seed}: no lease is left`).toBeUndefined()
}
