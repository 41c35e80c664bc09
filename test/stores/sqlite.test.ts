import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { sqlite } from '../../src/stores/sqlite.ts'
import { describeStore } from '../../src/testing/index.ts'
import { type Driver, drivers, libsql, type Opened } from './sqlite/drivers.ts'
import { HandClock } from './sqlite/hand-clock.ts'

const dir = await mkdtemp(join(tmpdir(), 'tenure-laws-'))
afterAll(() => rm(dir, { recursive: true }))

function lab(driver: Driver, clock?: HandClock) {
  const file = join(dir, `${driver.name.replace(':', '-')}${clock ? '-ours' : ''}.db`)
  const opened: Opened[] = []
  const open = () => {
    const db = driver.open(file)
    opened.push(db)
    return sqlite(db, { ...(clock && { clock }) })
  }
  beforeAll(() => open().ensureSchema())
  afterAll(() => {
    for (const db of opened) db.close()
  })
  return {
    open,
    wipe: (election: string) => driver.open(file).prepare('DELETE FROM tenure_lease WHERE name = ?').run(election),
    runner: { describe, test },
  }
}

for (const driver of drivers) {
  describe.skipIf(!driver.available)(driver.name, () => {
    if (driver.available) describeStore(driver.name, lab(driver))
  })
}

describe('a clock of ours', () => {
  const clock = new HandClock()
  const elapse = async (ms: number) => {
    await clock.advance(ms)
    // The file is a real one, and needs its time.
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  describeStore('libsql', { ...lab(libsql, clock), elapse })
})
