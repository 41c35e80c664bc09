/** `tenure doctor` on a Redis that was started a moment ago: it says why it waits, and then tells what it was asked for. */

import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { findServer, startRedis } from '../harness/servers.ts'
import { place } from './harness.ts'

const here = place()
/** Where the client packages are. */
const cwd = fileURLToPath(new URL('../..', import.meta.url))

describe.skipIf(!findServer('redis'))('a Redis that was started a moment ago', () => {
  test('doctor says in one line why it waits, for how long, and ends well', { timeout: 90_000 }, async () => {
    const server = await startRedis()
    try {
      const doctor = here.tenure(['doctor'], { cwd, env: { TENURE_STORE: `redis://127.0.0.1:${server.port}` } })
      await doctor.says(/was started a moment ago, and gives nobody a lease for another \d/)
      const { code } = await doctor.exited
      expect({ code, lines: doctor.err.trim().split('\n').length }, doctor.err).toEqual({ code: 0, lines: 1 })
      expect(doctor.out).toMatch(/can be reached; bids, renewals and releases are allowed/)
      expect(doctor.out).toMatch(/, append-only log off, /)
      // What was waited for is no call.
      expect(Number(/the slowest took ([\d.]+) ms/.exec(doctor.out)?.[1])).toBeLessThan(5000)
    } finally {
      await server.close()
    }
  })
})
