import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TenureError } from '../../../src/errors.ts'
import * as subject from '../../../src/stores/sqlite.ts'
import { fenced } from '../../../src/stores/sqlite.ts'
import { currentRun } from '../../harness/run.ts'
import { Bench } from './bench.ts'
import { drivers, type Opened } from './drivers.ts'

describe.each(drivers)('fenced writes with $name', (driver) => {
  describe.skipIf(!driver.available)('in a transaction', () => {
    let bench: Bench
    beforeEach(async () => {
      bench = await Bench.ready(subject, driver)
      bench.operator.exec('CREATE TABLE report (author INTEGER)')
      bench.operator.exec('INSERT INTO report VALUES (0)')
    })
    afterEach(() => bench.close())

    const write = (db: Opened, token: number, resource = 'report'): string => {
      db.exec('BEGIN IMMEDIATE')
      try {
        fenced(db, resource, token)
        db.exec(`UPDATE report SET author = ${token}`)
        db.exec('COMMIT')
        return 'written'
      } catch (thrown) {
        db.exec('ROLLBACK')
        if (thrown instanceof TenureError) return thrown.code
        throw thrown
      }
    }
    const author = () => Object.values(bench.operator.prepare('SELECT author FROM report').all()[0] as object)[0]

    test('a token passes again and again, until a larger one was seen', () => {
      const [old, next] = [bench.open(), bench.open()]
      expect([write(old, 5), write(old, 5), write(next, 6), write(old, 5), write(next, 6)]).toEqual([
        'written',
        'written',
        'written',
        'stale-token',
        'written',
      ])
      expect(author()).toBe(6)
    })

    test('resources are apart, and tokens are exact', () => {
      const db = bench.open()
      const large = 1_790_000_000_000_001
      expect([write(db, large, 'a'), write(db, large - 1, 'a'), write(db, 1, 'b')]).toEqual(['written', 'stale-token', 'written'])
    })

    test('what is rolled back has not been seen', () => {
      const db = bench.open()
      db.exec('BEGIN')
      fenced(db, 'report', 9)
      db.exec('ROLLBACK')
      expect(write(db, 5)).toBe('written')
    })

    test('outside of a transaction it is refused, and bad arguments are', () => {
      const db = bench.open()
      expect(() => fenced(db, 'report', 5)).toThrow('Expected `db` to be in a transaction')
      db.exec('BEGIN')
      expect(() => fenced(db, '', 1)).toThrow('Expected `resource` to be a non-empty string, got "" (string)')
      expect(() => fenced(db, 'r', 1.5)).toThrow('Expected `fencingToken` to be a safe integer, got 1.5 (number)')
      expect(() => fenced({} as never, 'r', 1)).toThrow('Expected `db` to be a connection')
      db.exec('ROLLBACK')
    })
  })
})

test('the example: a stale leader is refused', async () => {
  const bench = new Bench(subject)
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  // Within the project, so that it finds its client.
  const outfile = join(currentRun().project, `fencing-sqlite-${process.pid}.mjs`)
  try {
    await build({
      entryPoints: [`${root}examples/fencing-sqlite.ts`],
      outfile,
      bundle: true,
      platform: 'node',
      packages: 'external',
      format: 'esm',
    })
    const { stdout } = await promisify(execFile)(process.execPath, [outfile, bench.file], { timeout: 25_000 })
    expect(stdout).toBe(
      [
        'first leads, writes: written',
        'second leads, writes: written',
        'first writes late: stale-token',
        'the report says: by second',
        '',
      ].join('\n'),
    )
  } finally {
    await bench.close()
    await rm(outfile, { force: true })
  }
})
