import { expect, test } from 'vitest'
import { Fence } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock, randomFrom } from '../../src/testing/manual-clock.ts'

test('tokens grow over 10,000 tenures that end by release, by expiry and with the whole store, and a stale one is refused', async () => {
  const clock = new ManualClock()
  const random = randomFrom(12)
  const fence = new Fence()
  const signal = new AbortController().signal
  let store = memory({ clock })
  let stale = 0
  for (let tenure = 0; tenure < 10_000; tenure++) {
    const bid = { election: 'e', holder: `h-${tenure}`, candidate: `c-${tenure % 3}`, ttlMs: 1000 }
    const lease = await store.acquire(bid, signal)
    const token = lease?.fencingToken ?? Number.NaN
    expect(lease?.holder).toBe(bid.holder)
    expect(token).toBeGreaterThan(stale)
    expect(fence.admits(token)).toBe(true)
    if (stale > 0) expect(() => fence.assertAdmits(stale)).toThrow(`Fencing token ${stale} is stale: ${token} has been seen`)
    if (random() < 0.3) expect(await store.renew(bid, signal)).toBe(1000)
    const end = random()
    if (end < 0.6) await store.release(bid, signal)
    else if (end < 0.9) clock.block(1000)
    else {
      // Restarted without its memory, as soon as the clock shows another microsecond.
      clock.block(1)
      store = memory({ clock })
    }
    stale = token
  }
})
