/** Processes whose monotonic clocks are not one: a namespace of time, as a container may have, with another beginning. */

import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { era } from '../../../src/stores/sqlite/era.ts'
import { sqlite } from '../../../src/stores/sqlite.ts'
import { Actor, endActors } from './actors.ts'
import { openAny } from './drivers.ts'

const elsewhere = ['-T', '--fork', '--kill-child', '--monotonic', '100000']
const available = process.platform === 'linux' && spawnSync('unshare', [...elsewhere, 'true']).status === 0

let dir = ''
let file = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenure-era-'))
  file = join(dir, 'app.db')
  const db = openAny(file)
  await sqlite(db).ensureSchema()
  db.close()
})
afterEach(async () => {
  await endActors()
  await rm(dir, { recursive: true, force: true })
})

describe('clocks', () => {
  test.skipIf(process.platform !== 'linux')('are named after the boot and the namespace', async () => {
    expect(await era()).toMatch(/^boot [0-9a-f-]{36} time:\[\d+\]$/)
  })

  test.skipIf(!available)(
    'that began long before or after ours: a lease is waited out, whoever looks at it (needs the rights of root)',
    {
      timeout: 120_000,
    },
    async () => {
      const far = await Actor.start(file, { execPath: 'unshare', execArgv: [...elsewhere, process.execPath] })
      const near = await Actor.start(file)
      for (const [holder, rival, election] of [
        [near, far, 'ours'],
        [far, near, 'theirs'],
      ] as const) {
        const bid = { election, holder: `holder of ${election}`, candidate: 'c', ttlMs: 6000 }
        const other = { ...bid, holder: `rival in ${election}` }
        await holder.call('acquire', bid)
        const first = await rival.call('acquire', other)
        expect(first?.holder).toBe(bid.holder)
        expect(first?.remainingMs).toBe(6000)
        // It goes on renewing: nobody else may ever have it.
        for (let i = 0; i < 3; i++) {
          // Real time, by the clocks of real processes, and in all nearly the whole ttl.
          await new Promise((resolve) => setTimeout(resolve, 1500))
          expect(await holder.call('renew', bid)).toBe(6000)
          expect((await rival.call('acquire', other))?.holder).toBe(bid.holder)
        }
        // The lease runs out, by the clock of the rival.
        await new Promise((resolve) => setTimeout(resolve, 6200))
        expect((await rival.call('acquire', other))?.holder).toBe(other.holder)
      }
    },
  )
})
