import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { directoryNameOf } from '../../src/stores/file/place.ts'
import { file } from '../../src/stores/file.ts'
import { describeStore, ManualClock } from '../../src/testing/index.ts'

const dir = await mkdtemp(join(tmpdir(), 'tenure-laws-'))
afterAll(() => rm(dir, { recursive: true }))
const wipe = (election: string) => rm(join(dir, directoryNameOf(election)), { recursive: true })

const clock = new ManualClock()
describeStore('file, by a clock of ours', {
  open: () => file({ dir, clock }),
  elapse: async (ms) => {
    await clock.advance(ms)
    // The disk is a real one, and needs its time.
    await new Promise((resolve) => setTimeout(resolve, 25))
  },
  wipe,
  runner: { describe, test },
})

describeStore('file', { open: () => file({ dir }), wipe, runner: { describe, test } })
