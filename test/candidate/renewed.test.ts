/** The `renewed` event: told once for each confirmation, with the new deadline already in place, and not by stale answers. */

import { expect, test } from 'vitest'
import { Candidate, type LeaseStore } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'

function standing(over: Partial<LeaseStore> = {}, work?: () => Promise<void>) {
  const clock = new ManualClock()
  const store = { ...memory({ clock }), ...over }
  const candidate = new Candidate({ election: 'e', store, clock, ttlMs: 3000, renewMs: 1000, marginMs: 600, work })
  const told: number[] = []
  candidate.on('renewed', (tenure) => void told.push(tenure.remainingMs()))
  return { clock, store, candidate, told }
}

test('each renewal is told once, and the tenure then counts from that renewal', async () => {
  const { clock, candidate, told } = standing()
  await candidate.start()
  const deadline = candidate.tenure?.remainingMs() ?? 0
  await clock.advance(3500)
  expect(told.length).toBeGreaterThanOrEqual(3)
  for (const left of told) expect(left).toBeCloseTo(deadline, 0)
  const before = told.length
  await candidate.stop()
  await clock.advance(5000)
  expect(told).toHaveLength(before)
})

test('a renewal that failed or was refused is not told', async () => {
  const { clock, candidate, told } = standing({ renew: () => Promise.reject(new Error('no')) })
  candidate.on('trouble', () => {})
  await candidate.start()
  await clock.advance(3000)
  expect(told).toEqual([])
  await candidate.stop()

  const refused = standing({ renew: () => Promise.resolve(0) })
  await refused.candidate.start()
  await refused.clock.advance(1500)
  expect(refused.told).toEqual([])
  await refused.candidate.stop()
})

test('renewals go on being told while the work drains', async () => {
  let end = () => {}
  const { clock, candidate, told } = standing({}, () => new Promise((resolve) => (end = resolve)))
  await candidate.start()
  const down = candidate.stepDown()
  await clock.advance(2500)
  expect(told.length).toBeGreaterThanOrEqual(2)
  end()
  await down
  await candidate.stop()
})
