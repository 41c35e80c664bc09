import { describe, expect, test } from 'vitest'
import { Pace } from '../../../src/stores/postgres/pace.ts'
import { ManualClock } from '../../../src/testing/index.ts'
import { plant } from '../../harness/plant.ts'

type Make = typeof Pace

/** What is borne after these answers, each of which comes so much later than the one before. */
async function borne(Made: Make, ...answers: readonly { readonly ms: number; readonly afterMs?: number }[]): Promise<number> {
  const clock = new ManualClock()
  const pace = new Made(clock)
  for (const { ms, afterMs = 0 } of answers) {
    await clock.advance(afterMs)
    pace.note(ms)
  }
  return pace.bearableMs
}

const later = (afterMs: number, ms: number) => ({ ms, afterMs })

describe('how long a silence proves nothing', () => {
  test('where nothing was seen, any silence counts', async () => expect(await borne(Pace)).toBe(0))

  test('twice the slowest, not the last', async () => expect(await borne(Pace, later(0, 10), later(5, 300), later(5, 10))).toBe(600))

  test('for a minute, and from its last time on', async () => {
    expect(await borne(Pace, later(0, 300), later(50_000, 300), later(50_000, 10))).toBe(600)
    expect(await borne(Pace, later(0, 300), later(60_001, 10))).toBe(20)
  })

  test('with nothing new it is forgotten, too', async () => {
    const clock = new ManualClock()
    const pace = new Pace(clock)
    pace.note(300)
    await clock.advance(60_001)
    expect(pace.bearableMs).toBe(0)
  })

  test.each([
    { fault: 'the last counts', find: 'if (ms < this.#slowestMs && !this.#isOld()) return', replace: '', asks: [300, 10], right: 600 },
    { fault: 'remembered for ever', find: '> MEMORY_MS', replace: '> Number.POSITIVE_INFINITY', asks: [300, 60_001], right: 0 },
  ])('planted: $fault', async ({ find, replace, asks, right }) => {
    const file = 'src/stores/postgres/pace.ts'
    const { Pace: faulty } = (await plant(file, [{ file, find, replace }])) as { Pace: Make }
    const [first = 0, second = 0] = asks
    const of = (Made: Make) =>
      second > 60_000 ? borne(Made, later(0, first), later(second, 0)) : borne(Made, later(0, first), later(1, second))
    expect(await of(Pace)).toBe(right)
    expect(await of(faulty)).not.toBe(right)
  })
})
