/** `tenure demo` that is ended before its end: neither its processes, one of them frozen, nor its files stay. */

import { mkdirSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { place } from './harness.ts'

const here = place()

test('a signal while an actor is frozen', async () => {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  await Promise.all(
    signals.map(async (signal) => {
      const folder = join(here.folder, signal)
      mkdirSync(folder)
      const demo = here.tenure(['demo'], { env: { TMPDIR: folder } })
      await demo.prints(/SIGSTOP/)
      expect(readdirSync(folder)).toHaveLength(1)
      demo.kill(signal)
      expect(await demo.exited).toMatchObject({ code: 128 + constants.signals[signal] })
      expect(readdirSync(folder)).toEqual([])
    }),
  )
  expect(here.left()).toEqual([])
})
