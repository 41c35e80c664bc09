import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { directoryNameOf } from '../../../src/stores/file/place.ts'
import { file } from '../../../src/stores/file.ts'
import { describePromises } from '../promises.ts'

const dir = await mkdtemp(join(tmpdir(), 'tenure-promises-'))
afterAll(() => rm(dir, { recursive: true }))

describePromises('file', {
  open: () => file({ dir }),
  // The leader may be writing there.
  wipe: (election) => rm(join(dir, directoryNameOf(election)), { recursive: true, force: true, maxRetries: 20 }),
  tenures: 1000,
})
