import { describe, expect, test } from 'vitest'
import { type Deed, overlapOf, staleOf } from '../../bench/peers/judge.ts'
import { plant } from '../harness/plant.ts'

/** Deeds of one process every 5 ms, from one instant to another. */
function acted(who: number, from: number, to: number, term = 1): Deed[] {
  return Array.from({ length: (to - from) / 5 + 1 }, (_, i) => ({ who, term, at: from + 5 * i }))
}

describe('who acted after a successor', () => {
  test('a handover is clean', () => {
    const deeds = [...acted(1, 0, 100), ...acted(2, 105, 200), ...acted(1, 205, 300, 2)]
    expect(staleOf(deeds)).toEqual([])
    expect(overlapOf(deeds)).toBe(0)
  })

  test('an action after it is stale, an action of a new term is not', () => {
    const deeds = [...acted(1, 0, 100), ...acted(2, 105, 200), { who: 1, term: 1, at: 150 }, ...acted(1, 205, 300, 2)]
    expect(staleOf(deeds)).toEqual([{ who: 1, term: 1, at: 150 }])
    // It never said that it did not lead.
    expect(overlapOf(deeds)).toBe(45)
  })

  test('whoever was told late is judged alike', () => {
    expect(staleOf([...acted(2, 105, 200), ...acted(1, 0, 110)])).toEqual([{ who: 1, term: 1, at: 110 }])
  })
})

describe('for how long two acted', () => {
  test('is counted where both did', () => {
    expect(overlapOf([...acted(1, 0, 150), ...acted(2, 100, 200)])).toBe(50)
    expect(overlapOf([...acted(1, 0, 1000), ...acted(2, 100, 200), ...acted(2, 600, 700, 2)])).toBe(200)
  })

  test('a third does not count twice', () => {
    expect(overlapOf([...acted(1, 0, 100), ...acted(2, 0, 100), ...acted(3, 0, 100)])).toBe(100)
  })

  test('a frozen process is not held to have acted', () => {
    expect(overlapOf([...acted(1, 0, 100), ...acted(1, 5000, 5100), ...acted(2, 1000, 5050)])).toBe(50)
  })
})

test('a judge who lets an old term pass is caught', async () => {
  const fault = { file: 'bench/peers/judge.ts', find: 'term.filter(({ at }) => at > successor.at)', replace: '[]' }
  const { staleOf: blind } = (await plant('bench/peers/judge.ts', [fault])) as { staleOf: typeof staleOf }
  expect(blind([...acted(1, 0, 110), ...acted(2, 105, 200)])).not.toEqual(staleOf([...acted(1, 0, 110), ...acted(2, 105, 200)]))
})
