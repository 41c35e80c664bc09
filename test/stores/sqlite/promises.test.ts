import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { sqlite } from '../../../src/stores/sqlite.ts'
import { describePromises } from '../promises.ts'
import { type Opened, openAny } from './drivers.ts'

const dir = await mkdtemp(join(tmpdir(), 'tenure-promises-'))
const opened: Opened[] = []
const connect = () => {
  const db = openAny(join(dir, 'app.db'))
  opened.push(db)
  return db
}
beforeAll(() => sqlite(connect()).ensureSchema())
afterAll(async () => {
  for (const db of opened) db.close()
  await rm(dir, { recursive: true })
})

describePromises('sqlite', {
  open: () => sqlite(connect()),
  wipe: (election) => connect().prepare('DELETE FROM tenure_lease WHERE name = ?').run(election),
  tenures: 1000,
})
