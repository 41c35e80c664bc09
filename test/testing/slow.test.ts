/** The laws in real time, where the machine is held up: what comes of that shows nothing of the store, and is asked again. */

import { describe, expect, test } from 'vitest'
import { type Bid, type Lease, type LeaseStore, TenureError } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { LawBroken, laws, openLab } from '../../src/testing/index.ts'

const TTL_MS = 300
const law = laws.find(({ name }) => name === 'an expired lease is free to all')

/** Ask the law of a store whose bids are answered like this. Resolves with the ttls that were bid. */
async function ask(answer: (store: LeaseStore, bid: Bid, signal: AbortSignal) => Promise<Lease | undefined>): Promise<number[]> {
  const ttls: number[] = []
  const store = memory()
  const lab = await openLab({
    ttlMs: TTL_MS,
    graceMs: 200,
    open: () => ({
      ...store,
      acquire(bid, signal) {
        if (bid.ttlMs < 10_000) ttls.push(bid.ttlMs)
        return answer(store, bid, signal)
      },
    }),
  })
  await law?.check(lab).finally(() => lab.close())
  return ttls
}

const passed = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))

/** The machine stands still. */
function stall(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

describe('a store that', () => {
  test('ends a lease itself, a little later, and is held up together with the law', async () => {
    let isNew = true
    const ttls = await ask(async (store, bid, signal) => {
      const lease = await store.acquire({ ...bid, ttlMs: 60_000 }, signal)
      if (bid.ttlMs === TTL_MS) setTimeout(() => void passed(100).then(() => store.release(bid, signal)), TTL_MS)
      // Until the end of the lease is long past, and the law wants to see it.
      if (isNew) setTimeout(() => stall(3 * TTL_MS), TTL_MS - 50)
      isNew = false
      return lease
    })
    expect(new Set(ttls)).toEqual(new Set([TTL_MS]))
  })

  test.each<[string, () => Promise<undefined>]>([
    ['learns that it has won when that is over', async () => undefined],
    [
      'gives up what takes longer than its lease',
      async () => {
        throw new TenureError('store-unreachable', 'no answer')
      },
    ],
  ])('%s', async (_, end) => {
    const ttls = await ask(async (store, bid, signal) => {
      if (bid.ttlMs > TTL_MS) return store.acquire(bid, signal)
      await passed(TTL_MS + 10)
      return end()
    })
    expect(ttls.slice(0, 2)).toEqual([TTL_MS, 2 * TTL_MS])
    // In time it is a fault.
    await expect(ask(end)).rejects.toThrow(LawBroken)
  })
})
