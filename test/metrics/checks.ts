/** What has to be true of an exporter, as data: run over both routes, and over both with faults planted in them. */

import { channel } from 'node:diagnostics_channel'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { type LeaseStore, TenureError, type Work } from '../../src/index.ts'
import { type OpenRoute, type Route, World } from './lab.ts'

export interface Check {
  readonly name: string
  run(open: OpenRoute): Promise<void>
}

/** A check in which metrics are on from the beginning. */
function check(name: string, body: (world: World, route: Route) => Promise<void>): Check {
  return {
    name,
    async run(open) {
      const world = new World()
      const route = await open()
      try {
        await body(world, route)
      } finally {
        await world.end()
        await route.close()
      }
    },
  }
}

const unreachable = () => Promise.reject(new TenureError('store-unreachable', 'gone'))
const transitions = 'leader_election_transitions_total'

export const checks: readonly Check[] = [
  check('one tenure, in order: leading 1, elected, leading 0, and why', async (world, route) => {
    const a = world.candidate()
    await a.start()
    const leading = await route.scrape()
    expect(leading.value('leader_election_is_leader', { election: 'e' })).toBe(1)
    expect(leading.value('leader_election_master_status', { name: 'e' })).toBe(1)
    expect(leading.value('leader_election_fencing_token', { election: 'e' })).toBe(a.tenure?.fencingToken)
    expect(leading.value('leader_election_lease_remaining_seconds', { election: 'e' })).toBeCloseTo(2.37)
    expect(leading.value(transitions, { election: 'e', to: 'leading', reason: 'elected' })).toBe(1)
    const token = a.tenure?.fencingToken
    await a.stop()
    const stopped = await route.scrape()
    expect(stopped.value('leader_election_is_leader', { election: 'e' })).toBe(0)
    expect(stopped.value('leader_election_master_status', { name: 'e' })).toBe(0)
    expect(stopped.value('leader_election_lease_remaining_seconds', { election: 'e' })).toBe(0)
    expect(stopped.value('leader_election_fencing_token', { election: 'e' })).toBe(token)
    expect(stopped.of(transitions)).toEqual({
      [`${transitions}{election="e",reason="started",to="following"}`]: 1,
      [`${transitions}{election="e",reason="elected",to="leading"}`]: 1,
      [`${transitions}{election="e",reason="stopped",to="following"}`]: 1,
      [`${transitions}{election="e",reason="stopped",to="stopped"}`]: 1,
    })
  }),

  check('reasons are told apart: shut down, connection lost, refused, an error, work failed', async (world, route) => {
    const { clock, store } = world
    const failing: Work = () => Promise.reject(new Error('no'))
    const denied = () => Promise.reject(new TenureError('store-denied', 'no'))
    await world.candidate({ election: 'failed', work: failing }).start()
    await world.candidate({ election: 'lost', store: { ...store, renew: unreachable } }).start()
    await world.candidate({ election: 'denied', store: { ...store, renew: denied } }).start()
    await world.candidate({ election: 'refused', store: { ...store, renew: () => Promise.resolve(0) } }).start()
    const leaving = world.candidate({ election: 'left' })
    await leaving.start()
    void leaving.stepDown()
    await clock.advance(2700)
    const scrape = await route.scrape()
    const ended = (election: string, reason: string) => scrape.value(transitions, { election, to: 'following', reason })
    expect(ended('failed', 'work-failed')).toBeGreaterThan(0)
    expect(ended('lost', 'expired')).toBe(1)
    expect(ended('refused', 'superseded')).toBeGreaterThan(0)
    expect(ended('left', 'stepped-down')).toBe(1)
    const renewals = (election: string, result: string) => scrape.value('leader_election_renewals_total', { election, result }) ?? 0
    expect(renewals('lost', 'store-unreachable')).toBeGreaterThan(1)
    expect(renewals('denied', 'store-denied')).toBeGreaterThan(1)
    expect(renewals('refused', 'refused')).toBeGreaterThan(0)
    expect(renewals('refused', 'renewed')).toBe(0)
  }),

  check('followers export too, and nothing but their own', async (world, route) => {
    const away = world.candidate({ election: 'f' })
    await world.store.acquire({ election: 'f', holder: 'other', candidate: 'other', ttlMs: 60_000 }, AbortSignal.timeout(1000))
    await away.start()
    const scrape = await route.scrape()
    expect(scrape.value('leader_election_is_leader', { election: 'f' })).toBe(0)
    expect(scrape.value('leader_election_master_status', { name: 'f' })).toBe(0)
    expect(scrape.value('leader_election_fencing_token', { election: 'f' })).toBe(0)
    expect(scrape.value('leader_election_lease_remaining_seconds', { election: 'f' })).toBe(0)
    expect(scrape.value(transitions, { election: 'f', to: 'following', reason: 'started' })).toBe(1)
    // An increase can only be seen where there was something before it.
    expect(scrape.value(transitions, { election: 'f', to: 'leading', reason: 'elected' })).toBe(0)
    expect(scrape.value(transitions, { election: 'f', to: 'stopped', reason: 'stopped' })).toBe(0)
    expect(scrape.value('leader_election_work_overruns_total', { election: 'f' })).toBe(0)
  }),

  check('who leads is asked at the scrape: a leader that was frozen reads 0', async (world, route) => {
    await world.candidate().start()
    world.clock.block(60_000)
    const scrape = await route.scrape()
    expect(scrape.value('leader_election_is_leader', { election: 'e' })).toBe(0)
    expect(scrape.value('leader_election_lease_remaining_seconds', { election: 'e' })).toBe(0)
  }),

  check('each renewal tells how long it took and how much was left', async (world, route) => {
    const { clock, store } = world
    const slow: LeaseStore = {
      ...store,
      renew(bid, signal) {
        const until = performance.now() + 20
        while (performance.now() < until);
        return store.renew(bid, signal)
      },
    }
    await world.candidate({ store: slow }).start()
    await clock.advance(1)
    const begun = performance.now()
    const before = await route.scrape()
    await clock.advance(3000)
    const after = await route.scrape()
    const elapsed = (performance.now() - begun) / 1000
    const grown = (name: string, labels = { election: 'e' }) => (after.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0)
    expect(grown('leader_election_renewal_margin_seconds_count')).toBe(3)
    // 2.37 s after each, one second less before the next.
    expect(grown('leader_election_renewal_margin_seconds_sum')).toBeGreaterThan(3 * 1.3)
    expect(grown('leader_election_renewal_margin_seconds_sum')).toBeLessThan(3 * 1.8)
    expect(grown('leader_election_renewal_duration_seconds_count')).toBe(3)
    expect(grown('leader_election_renewal_duration_seconds_sum')).toBeGreaterThanOrEqual(0.06)
    expect(grown('leader_election_renewal_duration_seconds_sum')).toBeLessThan(elapsed)
    const renewed = after.value('leader_election_renewals_total', { election: 'e', result: 'renewed' }) ?? 0
    expect(after.value('leader_election_renewal_duration_seconds_count', { election: 'e' })).toBe(renewed)
  }),

  check('every call to the store is timed, with what came of it', async (world, route) => {
    const { clock, store } = world
    const leader = world.candidate()
    const follower = world.candidate({ id: 'bob' })
    await leader.start()
    await follower.start()
    await leader.stepDown({ cooldownMs: 60_000 })
    await clock.advance(3000)
    await world.candidate({ election: 'down', store: { ...store, acquire: unreachable } }).start()
    const scrape = await route.scrape()
    const count = (op: string, result: string) =>
      scrape.value('leader_election_store_operation_duration_seconds_count', { store: 'memory', op, result }) ?? 0
    expect(count('acquire', 'won')).toBe(2)
    expect(count('acquire', 'refused')).toBeGreaterThan(0)
    expect(count('acquire', 'store-unreachable')).toBe(1)
    expect(count('renew', 'renewed')).toBeGreaterThan(0)
    expect(count('release', 'released')).toBe(1)
    expect(count('read', 'done')).toBeGreaterThan(0)
  }),

  check('how long nobody led, by how the leader before ended', async (world, route) => {
    const { clock, store } = world
    const dead = { ...store, renew: unreachable, release: unreachable }
    const gone = world.candidate({ election: 'lapsing', store: dead })
    await gone.start()
    const left = world.candidate({ election: 'released' })
    await left.start()
    await world.candidate({ election: 'lapsing', id: 'bob' }).start()
    await world.candidate({ election: 'released', id: 'bob' }).start()
    await left.stop()
    await clock.advance(4000)
    const scrape = await route.scrape()
    const seconds = (kind: string, what: string) => scrape.value(`leader_election_failover_duration_seconds_${what}`, { kind }) ?? 0
    expect(seconds('lapsed', 'count')).toBe(1)
    expect(seconds('lapsed', 'sum')).toBeGreaterThanOrEqual(3)
    expect(seconds('lapsed', 'sum')).toBeLessThan(4)
    expect(seconds('released', 'count')).toBe(1)
    expect(seconds('released', 'sum')).toBeLessThan(0.1)
  }),

  check('work that does not end is counted', async (world, route) => {
    let end = () => {}
    const endless = new Promise<void>((resolve) => {
      end = resolve
    })
    const a = world.candidate({ work: () => endless, drainMs: 3000 })
    await a.start()
    void a.stepDown()
    await world.clock.advance(4000)
    const scrape = await route.scrape()
    expect(scrape.value('leader_election_work_overruns_total', { election: 'e' })).toBe(1)
    expect(scrape.value('leader_election_is_leader', { election: 'e' })).toBe(0)
    end()
  }),

  check('several candidates and elections in one process: each election by itself, no candidate by its name', async (world, route) => {
    const ann = world.candidate({ id: 'candidate-ann' })
    const bob = world.candidate({ id: 'candidate-bob' })
    const other = world.candidate({ id: 'candidate-ann', election: 'f "quoted"' })
    for (const each of [ann, bob, other]) await each.start()
    const both = await route.scrape()
    expect(both.of('leader_election_is_leader')).toEqual({
      'leader_election_is_leader{election="e"}': 1,
      'leader_election_is_leader{election="f \\"quoted\\""}': 1,
    })
    // There and back: who led before and stands by must not hide who leads.
    await ann.stepDown({ cooldownMs: 900 })
    await world.clock.advance(1000)
    expect(bob.isLeader).toBe(true)
    await bob.stepDown({ cooldownMs: 900 })
    await world.clock.advance(1000)
    expect(ann.isLeader).toBe(true)
    expect((await route.scrape()).value('leader_election_is_leader', { election: 'e' })).toBe(1)
    await ann.stop()
    const neither = await route.scrape()
    expect(neither.value('leader_election_is_leader', { election: 'e' })).toBe(0)
    await world.clock.advance(3000)
    const successor = await route.scrape()
    expect(successor.value('leader_election_is_leader', { election: 'e' })).toBe(1)
    expect(successor.value('leader_election_fencing_token', { election: 'e' })).toBe(bob.tenure?.fencingToken)
    await bob.stop()
    const after = await route.scrape()
    expect(after.value('leader_election_is_leader', { election: 'e' })).toBe(0)
    expect(after.text).not.toContain('candidate-')
  }),

  {
    name: 'turned on late, it learns who stands and who leads from what they do next',
    async run(open) {
      const world = new World()
      const a = world.candidate()
      await a.start()
      await world.candidate({ id: 'bob' }).start()
      const route = await open()
      try {
        expect((await route.scrape()).value('leader_election_is_leader', { election: 'e' })).toBeUndefined()
        await world.clock.advance(3000)
        const scrape = await route.scrape()
        expect(scrape.value('leader_election_is_leader', { election: 'e' })).toBe(1)
        expect(scrape.value('leader_election_fencing_token', { election: 'e' })).toBe(a.tenure?.fencingToken)
        expect(scrape.value(transitions, { election: 'e', to: 'following', reason: 'started' })).toBe(2)
      } finally {
        await world.end()
        expect((await route.scrape()).value(transitions, { election: 'e', to: 'stopped', reason: 'stopped' })).toBe(2)
        await route.close()
      }
    },
  },

  check('disposed, it listens no more', async (world, route) => {
    await world.candidate().start()
    expect(channel('tracing:tenure:renew:start').hasSubscribers).toBe(true)
    route.dispose()
    route.dispose()
    const names = ['acquire', 'renew', 'read', 'release', 'work'].flatMap((op) =>
      ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((step) => `tracing:tenure:${op}:${step}`),
    )
    const heard = ['tenure:changed', 'tenure:trouble', ...names].filter((name) => channel(name).hasSubscribers)
    expect(heard).toEqual([])
    const before = (await route.scrape()).of(transitions)
    await world.candidate({ election: 'later' }).start()
    const after = await route.scrape()
    expect(after.of(transitions)).toEqual(before)
  }),

  check('a loop that was blocked is seen', async (_, route) => {
    const name = 'leader_election_event_loop_delay_seconds'
    // The first tick tells where the measuring begins; many that were in time make a mean that tells of none.
    for (let tick = 0; tick < 30; tick++) await pause(20)
    const until = performance.now() + 300
    while (performance.now() < until);
    let worst = 0
    for (let round = 0; round < 100 && worst < 0.2; round++) {
      await pause(20)
      worst = (await route.scrape()).value(name) ?? Number.NaN
    }
    expect(worst).toBeGreaterThan(0.2)
  }),
]
