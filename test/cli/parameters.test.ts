import { expect, test } from 'vitest'
import { truthOf } from '../../src/cli/parameters.ts'

test.each([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
  [undefined, false],
])('a parameter that is %s is %s', (text, truth) => {
  expect(truthOf(new Map(text === undefined ? [] : [['tenure_force', text]]), 'tenure_force')).toBe(truth)
})

test.each(['yes', 'TRUE', '', '2'])('"%s" is refused: what it means is not guessed', (text) => {
  expect(() => truthOf(new Map([['tenure_force', text]]), 'tenure_force')).toThrow(
    `Expected tenure_force to be true or false, 1 or 0, got "${text}"`,
  )
})
