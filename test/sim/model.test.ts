/** The model of the store and the reference store give the same answers to the same questions. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planOf } from '../../sim/plan.ts'
import { Host } from '../../sim/process.ts'
import { evaluate, type Row } from '../../sim/stores/rows.ts'
import type { Request } from '../../sim/stores/server.ts'
import { World } from '../../sim/world.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'

const TTL_MS = 1000
const host = new Host(new World(1), planOf(1), 0, 1)
const { signal } = new AbortController()

/** One question, after some time has passed. */
const steps = fc.array(
  fc.record({
    verb: fc.constantFrom('acquire', 'renew', 'release', 'read'),
    holder: fc.constantFrom('a', 'b', 'c'),
    election: fc.constantFrom('x', 'y'),
    waitMs: fc.constantFrom(0, 1, 400, TTL_MS - 1, TTL_MS, TTL_MS + 1),
  }),
  { maxLength: 40 },
)

test('any row of questions', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (questions) => {
      const clock = new ManualClock()
      const store = memory({ clock })
      const rows = new Map<string, Row>()
      for (const { verb, holder, election, waitMs } of questions) {
        await clock.advance(waitMs)
        const bid = { election, holder, candidate: `c-${holder}`, ttlMs: TTL_MS, advert: undefined }
        const request: Request = { ...bid, verb, purpose: verb, host, session: '' }
        const now = clock.wall()
        const moment = { now, microseconds: now * 1000, session: undefined, version: 1, at: 0 }
        const { answer, row } = evaluate(request, rows.get(election), moment)
        if (row) rows.set(election, row)
        const theirs =
          verb === 'read'
            ? await store.read(election, signal)
            : verb === 'release'
              ? await store.release(bid, signal)
              : await store[verb](bid, signal)
        const ours = answer.type === 'lease' ? answer.lease : answer.type === 'granted' ? answer.ms : undefined
        expect(ours).toEqual(theirs)
      }
    }),
    { numRuns: 500, seed: 1 },
  )
})
