/** B17: bad options are refused at construction, and the message gives the option, what was expected and what came. */

import { describe, expect, test, vi } from 'vitest'
import { IpcRelay } from '../src/failover.ts'
import { Candidate, Fence, type LeaseStore, lead, observe, TenureError } from '../src/index.ts'
import { prometheus } from '../src/metrics/prometheus.ts'
import { runOnce } from '../src/once.ts'
import { settingsOf } from '../src/options.ts'
import { memory } from '../src/stores/memory.ts'
import { Cluster, describeBus, describeStore, flaky, ManualClock } from '../src/testing/index.ts'
import { slackMs } from '../src/timing.ts'

const store = memory()

describe('a bad option is refused', () => {
  test.each([
    [{ election: '' }, /`election`.*1 to 200.*got "" \(string\)/],
    [{ election: 'x'.repeat(201) }, /`election`.*got "x+\.\.\. \(string\)/],
    [{ election: 5 }, /`election`.*got 5 \(number\)/],
    [{ election: '\ud800' }, /`election`.*well-formed/],
    [{ store: undefined }, /`store`.*acquire, renew, release, read.*got undefined/],
    [{ store: 'postgres://ann:secret@host/db' }, /`store`.*got "postgres:\/\/ann:\*\*\*@host\/db" \(string\)/],
    [{ store: { ...store, name: '' } }, /`store\.name`/],
    [{ id: '' }, /`id`/],
    [{ ttlMs: 99 }, /`ttlMs`.*at least 100.*`memory`.*got 99/],
    [
      { ttlMs: Number.NaN },
      /`ttlMs` to be a whole number of milliseconds, at least 100, the least that store `memory` can keep, got NaN \(number\)/,
    ],
    [{ ttlMs: '5000' }, /`ttlMs` to be a whole number of milliseconds, at least 100.*got "5000" \(string\)/],
    [{ ttlMs: 1500.5 }, /`ttlMs` to be a whole number of milliseconds, at least 100.*got 1500.5 \(number\)/],
    [{ ttlMs: Number.POSITIVE_INFINITY }, /`ttlMs`/],
    [{ marginMs: 7500 }, /`marginMs` to be less than `ttlMs \/ 2` \(7500\), got 7500 \(number\)/],
    [{ marginMs: -1 }, /`marginMs`.*at least 0, got -1/],
    [{ renewMs: 9350 }, /`renewMs` to be less than the deadline minus `callMs` \(11850 - 2500\), got 9350/],
    [{ renewMs: 0 }, /`renewMs`/],
    [{ callMs: 5001 }, /`callMs` to be at most `renewMs` \(5000\), got 5001/],
    [{ retryMs: 0 }, /`retryMs`/],
    [{ drainMs: 14_999 }, /`drainMs`.*milliseconds, at least 15000 \(`ttlMs`\), or Infinity, got 14999/],
    [{ drift: 0.2 }, /`drift`.*0 to 0.1, got 0.2/],
    [{ drift: '1' }, /`drift`/],
    [{ work: {} }, /`work` to be a function, got an object/],
    [{ advert: 'x'.repeat(1025) }, /`advert`.*1 kB/],
    [{ advert: 'ü'.repeat(513) }, /`advert`.*1 kB/],
    [{ logger: { info() {} } }, /`logger`.*debug, info, warn, error/],
    [{ signal: {} }, /`signal`.*AbortSignal/],
    [{ clock: Date }, /`clock`/],
    [{ unref: 'yes' }, /`unref`.*boolean/],
    [{ ttl: 15 }, /Unknown option `ttl` \(15 \(number\)\): expected `ttlMs`/],
    [{ colour: 'red' }, /Unknown option `colour`/],
  ])('%o', (over, message) => {
    const options = { election: 'e', store, ...over }
    expect(() => new Candidate(options as ConstructorParameters<typeof Candidate>[0])).toThrow(message)
  })

  test('no options at all', () => {
    // @ts-expect-error: options are required
    expect(() => new Candidate()).toThrow(/`options` to be an object, got undefined/)
  })
})

describe('so does everything else that takes options', () => {
  const open = () => store
  const runner = { describe() {}, test() {} }
  const client = { register: {}, Counter() {}, Gauge() {}, Histogram() {} }
  const clock = new ManualClock()

  test.each<[call: string, make: () => unknown, message: RegExp]>([
    ["lead('x', fn)", () => lead('x', () => {}, undefined as never), /`options` to be an object, got undefined/],
    ["lead('x', fn, null)", () => lead('x', () => {}, null as never), /`options` to be an object, got null/],
    // Both are given beside the options, and one of two would be dropped in silence.
    [
      'lead, election',
      () => lead('x', () => {}, { store, election: 'y' } as never),
      /Unknown option `election` \("y" \(string\)\): expected one of store, id/,
    ],
    ['lead, work', () => lead('x', () => {}, { store, work() {} } as never), /Unknown option `work`/],
    [
      'lead, ontrouble',
      () => lead('x', () => {}, { store, ontrouble() {} } as never),
      /Unknown option `ontrouble` .*: expected `onTrouble`/,
    ],
    ["lead('x', fn, 'file')", () => lead('x', () => {}, 'file' as never), /`options` to be an object, got "file" \(string\)/],
    ["runOnce('x', fn)", () => runOnce('x', () => {}, undefined as never), /`options` to be an object, got undefined/],
    ["observe('x')", () => observe('x', undefined as never), /`options` to be an object, got undefined/],
    ["describeStore('x')", () => describeStore('x', undefined as never), /`options` to be an object, got undefined/],
    ['describeStore, no runner', () => describeStore('x', { open } as never), /`runner.describe` to be a function.*got undefined/],
    ['describeStore, no open', () => describeStore('x', { runner } as never), /`open` to be a function, got undefined/],
    [
      'elpase',
      () => describeStore('x', { open, runner, elpase: 1 } as never),
      /Unknown option `elpase` \(1 \(number\)\): expected one of open, elapse/,
    ],
    ['elapse: 5', () => describeStore('x', { open, runner, elapse: 5 } as never), /`elapse` to be a function, got 5/],
    ['wipe: true', () => describeStore('x', { open, runner, wipe: true } as never), /`wipe` to be a function, got true/],
    ['graceMs: -1', () => describeStore('x', { open, runner, graceMs: -1 }), /`graceMs` to be a whole number.*at least 0, got -1/],
    ['boundMs: 0', () => describeStore('x', { open, runner, boundMs: 0 }), /`boundMs` to be a whole number.*at least 1, got 0/],
    ["timeoutMs: '5'", () => describeStore('x', { open, runner, timeoutMs: '5' as never }), /`timeoutMs`.*got "5"/],
    ['skip: null', () => describeStore('x', { open, runner, skip: null as never }), /`skip` to be an object, got null/],
    ["describeBus('x')", () => describeBus('x', undefined as never), /`options` to be an object, got undefined/],
    ['describeBus, no ground', () => describeBus('x', { runner } as never), /`ground` to be a function, got undefined/],
    ['waitMS', () => describeBus('x', { ground() {}, runner, waitMS: 1 } as never), /Unknown option `waitMS`.*expected `waitMs`/],
    ['flaky()', () => flaky(undefined as never), /`store` to be an object with the methods.*got undefined/],
    ['flaky, chanecs', () => flaky(store, { chanecs: {} } as never), /Unknown option `chanecs`/],
    [
      'flaky, a fault',
      () => flaky(store, { chances: { 'answer-lots': 1 } as never }),
      /Unknown option `answer-lots`.*expected one of refused/,
    ],
    ["flaky, '0.5'", () => flaky(store, { chances: { hung: '0.5' as never } }), /`chances.hung` to be a number from 0 to 1, got "0.5"/],
    ["flaky, seed: 'a'", () => flaky(store, { seed: 'a' as never }), /`seed` to be a whole number, got "a"/],
    ['flaky, clock', () => flaky(store, { clock: Date as never }), /`clock` to be an object with the methods/],
    ["next('x')", () => flaky(store).next('x' as never), /`fault` to be one of refused,.*got "x"/],
    ["next('hung', 'renw')", () => flaky(store).next('hung', 'renw' as never), /`verb` to be one of acquire, renew,.*got "renw"/],
    ["delay('5')", () => flaky(store).delay('5' as never), /`delayMs` to be a finite number of milliseconds, at least 0, got "5"/],
    ["cut('answer')", () => flaky(store).cut('answer' as never), /`what` to be one of both, requests, answers, got "answer"/],
    ['candidats', () => new Cluster({ candidats: 3 } as never), /Unknown option `candidats` \(3 \(number\)\): expected one of candidates/],
    ['new Cluster(3)', () => new Cluster(3 as never), /`options` to be an object, got 3/],
    ['candidates: 0', () => new Cluster({ candidates: 0 }), /`candidates` to be a whole number, at least 1, got 0/],
    ['Cluster, seed', () => new Cluster({ seed: Number.NaN }), /`seed` to be a whole number, got NaN/],
    ['Cluster, store', () => new Cluster({ store: memory() as never }), /`store` to be a function that makes a store, got an object/],
    ['Cluster, no store', () => new Cluster({ store: () => undefined as never }), /`store` to be an object with the methods/],
    ['Cluster, work', () => new Cluster({ work: 5 as never }), /`work` to be a function, got 5/],
    ['Cluster, ttlMs', () => new Cluster({ ttlMs: 5 }), /`ttlMs` to be a whole number of milliseconds.*got 5/],
    [
      'Cluster, options',
      () => new Cluster({ options: { clock } as never }),
      /Unknown option `clock` \(an object\): expected one of renewMs/,
    ],
    ["advance('5')", () => new Cluster().advance('5' as never), /`ms` to be a finite number of milliseconds, at least 0, got "5"/],
    ['advance(-5)', () => new Cluster().advance(-5), /`ms` to be a finite number.*got -5/],
    ['until(true)', () => new Cluster().until(true as never), /`reached` to be a function, got true/],
    [
      'until, a promise',
      () => new Cluster().until((async () => false) as never),
      /`reached` to be a function that returns a boolean, got an object/,
    ],
    ['until, NaN', () => new Cluster().until(() => true, Number.NaN), /`limitMs` to be a finite number.*got NaN/],
    ["stepWall(0, '1')", () => new Cluster().stepWall(0, '1' as never), /`ms` to be a finite number of milliseconds, got "1"/],
    ["partition(0, 'x')", () => new Cluster().partition(0, 'x' as never), /`what` to be one of both/],
    ['freeze(7)', () => new Cluster().freeze(7), /`index` to be a process from 0 to 2, got 7/],
    ['ManualClock, wal', () => new ManualClock({ wal: 0 } as never), /Unknown option `wal` \(0 \(number\)\): expected `wall`/],
    [
      'ManualClock, wall',
      () => new ManualClock({ wall: new Date() as never }),
      /`wall` to be a finite number of milliseconds, got an object/,
    ],
    ['advance(Infinity)', () => clock.advance(Number.POSITIVE_INFINITY), /`ms` to be a finite number.*got Infinity/],
    ['advance()', () => clock.advance(undefined as never), /`ms` to be a finite number.*got undefined/],
    ['block(NaN)', () => clock.block(Number.NaN), /`ms` to be a finite number.*at least 0, got NaN/],
    ['block(-1)', () => clock.block(-1), /`ms` to be a finite number.*at least 0, got -1/],
    ["suspend('5')", () => clock.suspend('5' as never), /`ms` to be a finite number.*at least 0, got "5"/],
    ['stepWall(NaN)', () => clock.stepWall(Number.NaN), /`ms` to be a finite number of milliseconds, got NaN/],
    ['timer(NaN)', () => clock.timer(Number.NaN, () => {}), /`delayMs` to be a number of milliseconds, got NaN/],
    [
      'prometheus, register',
      () => prometheus(client as never, { register: {} } as never),
      /Unknown option `register` \(an object\): expected one of registry/,
    ],
    ['prometheus()', () => prometheus(undefined as never), /`client` to be an object with the methods Counter,.*got undefined/],
    ['add({})', () => new IpcRelay().add({} as never), /`peer` to be an object with the methods send, on, off, got an object/],
    ['addCluster({})', () => new IpcRelay().addCluster({} as never), /`cluster` to be an object with the methods on, got an object/],
  ])('%s', async (_, make, message) => {
    const before = [clock.mono(), clock.wall()]
    // Some throw, some reject.
    const error = await Promise.resolve()
      .then(make)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TenureError)
    expect(error).toMatchObject({ code: 'bad-option', message: expect.stringMatching(message) })
    expect([clock.mono(), clock.wall()]).toEqual(before)
  })
})

describe('the defaults', () => {
  test('are those of the documentation, and tolerate two failed renewals in a row', () => {
    const { timing } = settingsOf({ election: 'e', store })
    expect(timing).toMatchObject({
      ttlMs: 15_000,
      renewMs: 5000,
      callMs: 2500,
      marginMs: 3000,
      drift: 0.005,
      retryMs: 5000,
      drainMs: 75_000,
    })
    expect(slackMs(timing)).toBeCloseTo(850)
  })

  test('are valid for every ttl a store can keep', () => {
    for (let ttlMs = 100; ttlMs < 100_000; ttlMs = Math.ceil(ttlMs * 1.07)) {
      expect(slackMs(settingsOf({ election: 'e', store, ttlMs }).timing), `ttl ${ttlMs}`).toBeGreaterThan(0)
    }
  })

  test("a store's own hold, and shrink with a shorter ttl", () => {
    const advisory: LeaseStore = { ...store, timing: { ttlMs: 15_000, renewMs: 2000, callMs: 2000, retryMs: 5000 } }
    expect(settingsOf({ election: 'e', store: advisory }).timing).toMatchObject({ renewMs: 2000, callMs: 2000, retryMs: 5000 })
    expect(settingsOf({ election: 'e', store: advisory, ttlMs: 3000 }).timing).toMatchObject({ renewMs: 400, callMs: 400, retryMs: 1000 })
    // A7: the heartbeat has to be below the retry, and the message names both.
    expect(() => settingsOf({ election: 'e', store: advisory, renewMs: 5000 })).toThrow(
      /`renewMs` to be less than `retryMs` \(5000\).*got 5000/,
    )
    // Of the two the one that was given.
    expect(() => settingsOf({ election: 'e', store: advisory, retryMs: 1000 })).toThrow(
      /`retryMs` to be more than `renewMs` \(2000\).*got 1000/,
    )
  })

  test('an id tells host and process', () => {
    expect(settingsOf({ election: 'e', store }).id).toMatch(new RegExp(`-${process.pid}-[0-9a-f]{4}$`))
  })
})

test('a timing that two failed renewals would break is warned of, with all four durations', () => {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  settingsOf({ election: 'e', store, renewMs: 8000 })
  const sum = 'renewMs (8000) + 2 * (callMs (2500) + pause (500)) should be below the deadline (11850)'
  expect(warnings.mock.calls[0]?.[0]).toContain(sum)
  warnings.mockRestore()
})

test('a fence refuses a smaller token than the largest it has seen', () => {
  const fence = new Fence(7)
  expect(fence.admits(7)).toBe(true)
  expect(fence.admits(9)).toBe(true)
  expect(fence.admits(8)).toBe(false)
  expect(fence.largest).toBe(9)
  expect(() => fence.assertAdmits(8)).toThrow(/token 8 is stale: 9/)
  expect(() => fence.admits(1.5)).toThrow(/`fencingToken`.*got 1.5/)
  expect(() => new Fence(-1)).toThrow(/`largest`/)
})
