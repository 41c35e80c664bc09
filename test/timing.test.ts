/** The arithmetic of deadlines, as properties. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  backoffMs,
  believedMs,
  laterGrant,
  lookPauseMs,
  nextRenewal,
  remainingMs,
  renewalCallMs,
  renewalPauseMs,
  spreadMs,
  type Timing,
} from '../src/timing.ts'

const timings: fc.Arbitrary<Timing> = fc
  .record({
    ttlMs: fc.integer({ min: 100, max: 3_600_000 }),
    drift: fc.double({ min: 0, max: 0.1, noNaN: true }),
    margin: fc.double({ min: 0, max: 0.49, noNaN: true }),
    phase: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ ttlMs, drift, margin, phase }) => {
    const renewMs = Math.max(1, Math.floor(ttlMs / 3))
    return {
      ttlMs,
      renewMs,
      callMs: Math.max(1, Math.floor(ttlMs / 6)),
      marginMs: Math.floor(ttlMs * margin),
      drift,
      retryMs: renewMs,
      drainMs: 5 * ttlMs,
      observed: false,
      phaseMs: phase * renewMs,
    }
  })
const dice = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const instant = fc.record({ mono: fc.double({ min: 0, max: 1e9, noNaN: true }), wall: fc.double({ min: 1e12, max: 2e12, noNaN: true }) })

test('a deadline never outlives the lease, whichever way the clocks err within the drift', () => {
  fc.assert(
    fc.property(
      timings,
      fc.double({ min: 0, max: 1e7, noNaN: true }),
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.double({ min: -1, max: 1, noNaN: true }),
      (timing, grantedMs, mine, theirs) => {
        // Real time until we stop believing, by a clock of rate 1 + mine * drift; until the store frees, by its own.
        const believed = believedMs({ ...timing, marginMs: 0 }, grantedMs) / (1 + mine * timing.drift)
        const leased = Math.min(timing.ttlMs, grantedMs) / (1 + theirs * timing.drift)
        // Rounding: relative, and below a picosecond, where numbers this small have few digits left.
        expect(believed).toBeLessThanOrEqual(leased * (1 + 1e-12) + 1e-9)
      },
    ),
  )
})

test('what is left shrinks with either clock, and never grows with a grant of an older request', () => {
  fc.assert(
    fc.property(timings, instant, fc.nat(1e6), fc.integer({ min: -1e7, max: 1e7 }), (timing, sent, passed, stepped) => {
      const grant = { sent, ms: timing.ttlMs }
      const now = { mono: sent.mono + passed, wall: sent.wall + passed + stepped }
      expect(remainingMs(timing, grant, now)).toBeLessThanOrEqual(believedMs(timing, timing.ttlMs) - passed + 1e-3)
      const older = { sent: { mono: sent.mono - 1, wall: sent.wall }, ms: 1e9 }
      expect(laterGrant(grant, older)).toBe(grant)
      expect(laterGrant(older, grant)).toBe(grant)
    }),
  )
})

test('renewals fall on the grid of the store, at most renewMs after the last request', () => {
  fc.assert(
    fc.property(timings, fc.double({ min: 0, max: 1e9, noNaN: true }), (timing, sent) => {
      const next = nextRenewal(timing, sent)
      expect(next).toBeGreaterThan(sent - 1e-3)
      expect(next).toBeLessThanOrEqual(sent + timing.renewMs + 1e-3)
      const turns = (next - timing.phaseMs) / timing.renewMs
      expect(Math.abs(turns - Math.round(turns)) * timing.renewMs).toBeLessThan(1e-3)
    }),
  )
})

test('a renewal is given half of what is left, at most callMs, and not tried when that is too little', () => {
  fc.assert(
    fc.property(timings, fc.double({ min: -1e4, max: 1e7, noNaN: true }), (timing, left) => {
      const limit = renewalCallMs(timing, left)
      if (limit === undefined) {
        expect(Math.min(left / 2, timing.callMs)).toBeLessThan(20)
        return
      }
      expect(limit).toBeLessThanOrEqual(Math.min(timing.callMs, left / 2))
      expect(limit).toBeGreaterThanOrEqual(Math.min(20, timing.callMs))
    }),
  )
})

test('pauses are jittered between a half and the whole of their bound', () => {
  fc.assert(
    fc.property(
      timings,
      fc.integer({ min: 1, max: 2000 }),
      dice,
      fc.double({ min: 0, max: 1e7, noNaN: true }),
      fc.boolean(),
      (timing, failures, die, free, watched) => {
        const renewal = renewalPauseMs(timing, failures, die)
        expect(renewal).toBeLessThanOrEqual(Math.min(500, timing.ttlMs / 30, 100 * 2 ** (failures - 1)))
        expect(renewal).toBeGreaterThan(0)
        const back = backoffMs(timing, failures, die)
        expect(back).toBeGreaterThanOrEqual(timing.retryMs / 2)
        expect(back).toBeLessThanOrEqual(Math.max(timing.retryMs, timing.ttlMs))
        const look = lookPauseMs(timing, free, watched, die)
        expect(look).toBeLessThanOrEqual(watched ? timing.ttlMs : timing.retryMs)
        expect(look).toBeLessThanOrEqual(free + 4)
        if (free > timing.ttlMs) expect(look).toBeGreaterThanOrEqual(watched ? timing.ttlMs : timing.retryMs / 2)
      },
    ),
  )
})

test('of those who hear the same news half ask at once, and the others within four milliseconds, evenly', () => {
  const pauses = Array.from({ length: 1000 }, (_, i) => spreadMs(i / 1000))
  expect(pauses.filter((pause) => pause === 0)).toHaveLength(501)
  for (const from of [0, 1, 2, 3]) expect(pauses.filter((pause) => pause > from && pause <= from + 1).length).toBeCloseTo(125, -1)
  expect(Math.max(...pauses)).toBeLessThan(4)
})
