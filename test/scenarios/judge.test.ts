import { expect, test } from 'vitest'
import { judge } from '../../bench/soak/judge.ts'

const log = (...lines: [from: number, to: number, token: number][]) => lines.map((line) => `${line.join(' ')} somebody`).join('\n')

test('tenures that follow one another are in order, also where their actions touch', () => {
  expect(judge(log([0, 1, 1], [5, 6, 1], [6, 7, 2], [20, 21, 2]))).toEqual({ actions: 4, tenures: 2, outOfOrder: 0, longestGapMs: 13 })
  // Asked before the other had ended its action: nobody can say which came first.
  expect(judge(log([0, 10, 2], [9, 12, 1])).outOfOrder).toBe(0)
})

test('an action that began after one of a later tenure is caught, however the lines are mixed', () => {
  expect(judge(log([0, 1, 1], [10, 11, 2], [12, 13, 1])).outOfOrder).toBe(1)
  expect(judge(log([12, 13, 1], [10, 11, 2], [0, 1, 1], [14, 15, 1])).outOfOrder).toBe(2)
})
