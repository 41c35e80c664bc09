import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { examine as examineBy, forget } from '../../../src/stores/sqlite/examine.ts'
import * as subject from '../../../src/stores/sqlite.ts'
import { examine, sqlite } from '../../../src/stores/sqlite.ts'
import { Bench, calm, wins } from './bench.ts'
import { drivers } from './drivers.ts'

const far = vi.hoisted(() => ({ away: false }))
vi.mock('../../../src/stores/shared/filesystem.ts', async (original) => {
  const real = await original<typeof import('../../../src/stores/shared/filesystem.ts')>()
  return { ...real, filesystemOf: async (path: string) => (far.away ? { kind: 'nfs', network: true } : real.filesystemOf(path)) }
})

describe.each(drivers)('a file examined through $name', (driver) => {
  describe.skipIf(!driver.available)('tells', () => {
    let bench: Bench
    beforeEach(async () => {
      bench = await Bench.ready(subject, driver)
    })
    afterEach(async () => {
      far.away = false
      await bench.close()
    })
    const findings = async () => (await examine(bench.operator, calm())).findings.map(({ severity, message }) => `${severity}: ${message}`)

    test('where it is, and that it is fit', async () => {
      bench.operator.exec('PRAGMA synchronous = FULL')
      const { level, facts, findings } = await examine(bench.operator, calm())
      expect(level).toBe('A')
      expect(findings).toEqual([])
      const value = (name: string) => facts.find((fact) => fact.name === name)?.value
      expect(value('file')).toBe(bench.file)
      expect(value('version')).toMatch(/^3\.\d+\.\d+$/)
      expect(value('journal_mode')).toBe('wal')
      expect(value('table')).toBe('tenure_lease')
    })

    test('what the connection leaves to us', async () => {
      bench.operator.exec('PRAGMA synchronous = NORMAL')
      expect(await findings()).toEqual(['info: synchronous is 1 on this connection'])
    })

    test('what makes it unfit', async () => {
      const memory = await examine(bench.open(':memory:'), calm())
      expect(memory.level).toBe('C')
      expect(memory.findings.map(({ message }) => message)).toContain('the database is in memory')
      bench.operator.exec('DROP TABLE tenure_lease')
      expect(await findings()).toContain('error: the table tenure_lease is missing')
      far.away = true
      const { level, findings: found } = await examine(bench.operator, calm())
      expect(level).toBe('C')
      expect(found.map(({ message }) => message).join()).toContain('is on nfs, which other machines may share')
    })

    test('that there is no table for memos, which makes it no less fit', async () => {
      bench.operator.exec('PRAGMA synchronous = FULL')
      bench.operator.exec('DROP TABLE tenure_memo')
      expect(await examine(bench.operator, calm())).toMatchObject({ level: 'A' })
      expect(await findings()).toEqual(['info: the table tenure_memo is missing'])
    })

    test('that a reader keeps the WAL from being written back', async () => {
      // Beyond its end nothing counts.
      const wal = openSync(`${bench.file}-wal`, 'r+')
      ftruncateSync(wal, 100 * 1024 * 1024)
      closeSync(wal)
      expect(await findings()).toContain('warning: the WAL has 100 MB')
    })

    test('and forgets what was only tried, but nothing that is held', async () => {
      const store = sqlite(bench.open())
      const bids = ['tried', 'held', 'other'].map((election) => bench.bid(election))
      for (const bid of bids) await wins(store, bid)
      if (bids[0]) await store.release(bids[0], calm())
      await forget(bench.operator, ['tried', 'held'])
      expect(await store.list(calm())).toEqual(['held', 'other'])
      expect(examineBy).toBe(examine)
    })
  })
})
