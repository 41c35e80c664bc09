/** Durations as people type them. */

import { describe, expect, test } from 'vitest'
import { durationMs, durationText } from '../../src/cli/durations.ts'

describe('a duration', () => {
  test.each([
    ['250ms', 250],
    ['15s', 15_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['0s', 0],
    ['ttl', 15_000],
    ['ttl/5', 3000],
    ['ttl/4.5', 3333],
  ])('%s is %d ms', (text, ms) => {
    expect(durationMs('--margin', text, 15_000)).toBe(ms)
  })

  test.each(['', '15', '1.5', '15 s', '-1s', '1d', 's', '1e3ms', 'ttl*2', 'ttl/0', 'ttl/', '15S', 'NaN', '99999999999999h'])(
    '%j is refused, with the option, what was expected and what came',
    (text) => {
      expect(() => durationMs('--margin', text, 15_000)).toThrow('Expected `--margin` to be a duration like 250ms, 15s')
      expect(() => durationMs('--margin', text, 15_000)).toThrow(JSON.stringify(text))
    },
  )

  test('a bare number is told how to go on', () => {
    expect(() => durationMs('--ttl', '15')).toThrow('15s or 15ms')
  })

  test('a part of the ttl needs a ttl', () => {
    expect(() => durationMs('--ttl', 'ttl/5')).toThrow('Expected `--ttl`')
  })
})

test.each([
  [0, '0ms'],
  [250.4, '250ms'],
  [11_850, '11.85s'],
  [15_000, '15s'],
  [61_000, '1m1s'],
  [3_720_000, '1h2m'],
  [90_000_000, '1d1h'],
])('%d ms reads %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})
