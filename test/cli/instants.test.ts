/** Instants that are sent to the guard: never later than the truth, whatever happens while they are taken. */

import { execFileSync } from 'node:child_process'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { deadlineOf, hostNow, later, leftMs } from '../../src/cli/instants.ts'

afterEach(() => vi.restoreAllMocks())

/** Let both clocks of this process pass. */
function block(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

describe('the deadline of a tenure', () => {
  test('is now and what remains, by both clocks', () => {
    const now = hostNow()
    const deadline = deadlineOf({ remainingMs: () => 1000 })
    expect((deadline?.mono ?? 0) - now.mono).toBeGreaterThanOrEqual(1000)
    expect((deadline?.mono ?? 0) - now.mono).toBeLessThan(5000)
    expect((deadline?.wall ?? 0) - now.wall).toBeGreaterThanOrEqual(1000)
  })

  test('a process that is held up between the two questions is told too early, never too late', () => {
    const endsAt = performance.now() + 1000
    const before = hostNow()
    const deadline = deadlineOf({
      remainingMs: () => {
        block(50)
        return endsAt - performance.now()
      },
    })
    const truth = before.mono + 1000
    expect(deadline?.mono).toBeLessThanOrEqual(truth)
    expect(deadline?.mono).toBeLessThan(truth - 45)
  })

  test('one that has passed has no instant: nobody can tell when', () => {
    expect(deadlineOf({ remainingMs: () => 0 })).toBeUndefined()
  })
})

describe('what is left', () => {
  test('follows the clock that is ahead: a machine that slept, a wall clock that was stepped', () => {
    const until = later(hostNow(), 10_000)
    expect(leftMs(until)).toBeGreaterThan(9000)
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000)
    expect(leftMs(until)).toBeLessThan(-40_000)
    vi.spyOn(Date, 'now').mockReturnValue(0)
    expect(leftMs(until)).toBeLessThanOrEqual(10_000)
  })
})

test('the monotonic clock is one for all processes of a host', () => {
  const before = hostNow().mono
  const theirs = Number(execFileSync(process.execPath, ['-p', 'Number(process.hrtime.bigint()) / 1e6'], { encoding: 'utf8' }))
  expect(theirs).toBeGreaterThan(before)
  expect(theirs).toBeLessThan(hostNow().mono)
})
