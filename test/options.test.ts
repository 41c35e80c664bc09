/** B17: bad options are refused at construction, and the message gives the option, what was expected and what came. */

import { describe, expect, test, vi } from 'vitest'
import { Candidate, Fence, type LeaseStore } from '../src/index.ts'
import { settingsOf } from '../src/options.ts'
import { memory } from '../src/stores/memory.ts'
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
    [{ ttlMs: Number.NaN }, /`ttlMs`.*got NaN \(number\)/],
    [{ ttlMs: '15s' }, /`ttlMs`.*got "15s" \(string\)/],
    [{ ttlMs: 1000.5 }, /`ttlMs`.*got 1000.5/],
    [{ ttlMs: Number.POSITIVE_INFINITY }, /`ttlMs`/],
    [{ marginMs: 7500 }, /`marginMs` to be less than `ttlMs \/ 2` \(7500\), got 7500 \(number\)/],
    [{ marginMs: -1 }, /`marginMs`.*at least 0, got -1/],
    [{ renewMs: 9350 }, /`renewMs` to be less than the deadline minus `callMs` \(11850 - 2500\), got 9350/],
    [{ renewMs: 0 }, /`renewMs`/],
    [{ callMs: 5001 }, /`callMs` to be at most `renewMs` \(5000\), got 5001/],
    [{ retryMs: 0 }, /`retryMs`/],
    [{ drainMs: 14_999 }, /`drainMs`.*at least `ttlMs` \(15000\), or Infinity, got 14999/],
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
  expect(warnings.mock.calls[0]?.[0]).toMatch(/renewMs is 8000, callMs 2500, the pause 500 and the deadline 11850/)
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
