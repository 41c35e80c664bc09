/** Signs of life: what subscribers of the diagnostics channels are told, once each, and that nobody else pays for it. */

import { channel, tracingChannel } from 'node:diagnostics_channel'
import { afterEach, expect, test } from 'vitest'
import {
  type CallSign,
  Candidate,
  type CandidateOptions,
  type ChangeSign,
  type LeaseStore,
  type Traced,
  type TroubleSign,
} from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { Puppet } from './puppet.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

function listen(name: string): unknown[] {
  const heard: unknown[] = []
  const note = (message: unknown) => void heard.push(message)
  const at = channel(name)
  at.subscribe(note)
  ends.push(() => at.unsubscribe(note))
  return heard
}

/** What one tracing channel tells, as lines; `leftMs` is what the tenure had left when it ended. */
function trace(what: Traced): string[] {
  const lines: string[] = []
  const line = (step: string) => (sign: unknown) => {
    const { outcome, error, tenure, store } = sign as CallSign
    const left = tenure && step === 'asyncEnd' ? ` left ${Math.round(tenure.remainingMs())}` : ''
    lines.push(`${step} ${store}${outcome ? ` ${outcome}` : ''}${error ? ` ${String((error as Error).message)}` : ''}${left}`)
  }
  const subscribers = { start: line('start'), end: () => {}, asyncStart: () => {}, asyncEnd: line('asyncEnd'), error: line('error') }
  const at = tracingChannel(`tenure:${what}`)
  at.subscribe(subscribers)
  ends.push(() => at.unsubscribe(subscribers))
  return lines
}

function standing(over: Partial<CandidateOptions> = {}) {
  const clock = new ManualClock()
  const candidate = new Candidate({ election: 'e', id: 'me', store: memory({ clock }), clock, ttlMs: 3000, renewMs: 1000, ...over })
  return { clock, candidate }
}

test('changes: standing, leading, following, stopped, each with its reason and by the same object', async () => {
  const heard = listen('tenure:changed') as ChangeSign[]
  const { candidate } = standing()
  await candidate.start()
  const { tenure } = candidate
  await candidate.stop()
  expect(heard.map(({ to, reason }) => `${to}: ${reason}`)).toEqual([
    'following: started',
    'leading: elected',
    'following: stopped',
    'stopped: stopped',
  ])
  expect(new Set(heard.map(({ by }) => by)).size).toBe(1)
  expect(heard[1]).toMatchObject({ election: 'e', candidate: 'me', store: 'memory', tenure })
  expect(heard[1]?.vacantMs).toBeUndefined()
})

/** One that leads, and one that follows it; what the second says when it is elected. */
async function succession(first: Partial<LeaseStore> = {}, watches = true) {
  const heard = listen('tenure:changed') as ChangeSign[]
  const clock = new ManualClock()
  const store = memory({ clock })
  const leader = standing({ clock, store: { ...store, ...first } }).candidate
  leader.on('trouble', () => {})
  const { watch, ...unwatched } = store
  const follower = standing({ clock, store: watches ? store : unwatched, id: 'second', retryMs: 500 }).candidate
  await leader.start()
  await follower.start()
  const elected = () => heard.find(({ candidate, to }) => candidate === 'second' && to === 'leading')
  return { clock, leader, follower, elected }
}

test('who takes over without a watch says since when nobody was seen to lead', async () => {
  const { clock, leader, follower, elected } = await succession({}, false)
  await clock.advance(900)
  await leader.stop()
  await clock.advance(1000)
  expect(elected()).toMatchObject({ lapsed: false })
  expect(elected()?.vacantMs).toBeGreaterThan(0)
  expect(elected()?.vacantMs).toBeLessThanOrEqual(500)
  await follower.stop()
})

test('who takes over with a watch counts from its news', async () => {
  const { clock, leader, follower, elected } = await succession()
  await clock.advance(900)
  await leader.stop()
  await clock.advance(1000)
  expect(elected()).toMatchObject({ lapsed: false })
  expect(elected()?.vacantMs).toBeLessThan(10)
  await follower.stop()
})

test('where the lease has lapsed, the leader may have been gone since its last renewal', async () => {
  const dead = () => Promise.reject(new Error('gone'))
  const { clock, leader, follower, elected } = await succession({ renew: dead, release: dead })
  await clock.advance(4000)
  expect(elected()).toMatchObject({ lapsed: true })
  expect(elected()?.vacantMs).toBeGreaterThanOrEqual(3000)
  expect(elected()?.vacantMs).toBeLessThan(3100)
  await Promise.all([leader.stop(), follower.stop()])
})

test('who stood before and stands anew knows of no leader before itself', async () => {
  const { clock, leader, follower, elected } = await succession()
  await follower.stop()
  await leader.stop()
  await clock.advance(60_000)
  await follower.start()
  expect(elected()).toMatchObject({ to: 'leading' })
  expect(elected()?.vacantMs).toBeUndefined()
  await follower.stop()
})

test('a renewal that grants nothing was refused', async () => {
  const renewals = trace('renew')
  const clock = new ManualClock()
  const { candidate } = standing({ clock, store: { ...memory({ clock }), renew: () => Promise.resolve(0) } })
  await candidate.start()
  await clock.advance(1000)
  expect(renewals[1]).toMatch(/^asyncEnd memory refused/)
  await candidate.stop()
})

test('calls are traced from begin to end, a renewal with what was left of the lease', async () => {
  const acquires = trace('acquire')
  const renewals = trace('renew')
  const releases = trace('release')
  const { clock, candidate } = standing()
  await candidate.start()
  const left = candidate.tenure?.remainingMs() ?? 0
  await clock.advance(1000)
  await candidate.stop()
  expect(acquires).toEqual(['start memory', 'asyncEnd memory won'])
  expect(renewals.slice(0, 1)).toEqual(['start memory'])
  // The first may follow the election at once; the last before the end comes on the grid.
  const remaining = Number(/left (\d+)/.exec(renewals.at(-1) ?? '')?.[1])
  expect(remaining).toBeGreaterThan(0)
  expect(remaining).toBeLessThan(left)
  expect(releases).toEqual(['start memory', 'asyncEnd memory released left 0'])
})

test('a call that is given up ends then, and not again when its answer comes', async () => {
  const acquires = trace('acquire')
  const troubles = listen('tenure:trouble') as TroubleSign[]
  const clock = new ManualClock()
  const store = new Puppet(clock)
  const { candidate } = standing({ clock, store, callMs: 400 })
  candidate.on('trouble', () => {})
  store.hold('acquire')
  const started = candidate.start()
  await clock.advance(400)
  await started
  expect(acquires).toHaveLength(3)
  expect(acquires.slice(1)).toEqual([
    expect.stringMatching(/^error puppet .*not answered/),
    expect.stringMatching(/^asyncEnd puppet .*not/),
  ])
  expect(troubles.map(({ error }) => error.code)).toEqual(['store-unreachable'])
  await store.take('acquire').answer()
  await clock.advance(0)
  expect(acquires).toHaveLength(3)
  store.hold()
  await candidate.stop()
})

test('work is traced, done or failed', async () => {
  const works = trace('work')
  const { clock, candidate } = standing({
    work: async () => {
      if (works.length < 2) throw new Error('not yet')
    },
  })
  candidate.on('trouble', () => {})
  await candidate.start()
  await clock.advance(2000)
  await candidate.stop()
  expect(works.slice(0, 3)).toEqual(['start memory', 'error memory not yet', expect.stringMatching(/^asyncEnd memory not yet/)])
  expect(works.slice(3, 5)).toEqual(['start memory', expect.stringMatching(/^asyncEnd memory done/)])
})

test('what a subscriber throws does not reach the election', async () => {
  const broken = () => {
    throw new Error('a subscriber fails')
  }
  const uncaught: unknown[] = []
  const note = (thrown: unknown) => void uncaught.push(thrown)
  const handlers = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', note)
  channel('tenure:changed').subscribe(broken)
  try {
    const { candidate } = standing()
    await candidate.start()
    expect(candidate.isLeader).toBe(true)
    await candidate.stop()
    await new Promise((resolve) => setImmediate(resolve))
    expect(uncaught.length).toBeGreaterThan(0)
  } finally {
    channel('tenure:changed').unsubscribe(broken)
    process.off('uncaughtException', note)
    for (const handler of handlers) process.on('uncaughtException', handler)
  }
})
