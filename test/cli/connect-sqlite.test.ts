import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/cli/connect.ts'
import { withLevel } from '../../src/cli/examined.ts'

const dir = await mkdtemp(join(tmpdir(), 'tenure-cli-'))
afterAll(() => rm(dir, { recursive: true }))
const calm = new AbortController().signal

describe('sqlite: in a URL', () => {
  test.each([
    ['sqlite:app.db', 'Expected an absolute path like sqlite:/var/lib/app/app.db, got "sqlite:app.db"'],
    ['sqlite:', 'Expected an absolute path'],
    ['sqlite:/', 'Expected an absolute path'],
    ['sqlite::memory:', 'Expected an absolute path'],
    ['sqlite:/x.db?mode=ro', 'Expected an absolute path'],
    ['sqlite:/x.db?tenure_create=yes', 'Expected tenure_create to be true or false, 1 or 0, got "yes"'],
    ['sqlite:/x.db?tenure_poll=1', 'sqlite: has no parameter "tenure_poll"'],
  ])('%s is refused', async (url, message) => {
    await expect(connect(url)).rejects.toThrow(message)
  })

  test('a path without a file is no reason to make one: the SQL is told, everything else is refused', async () => {
    const file = join(dir, 'nothing.db')
    const { store, ddl, close } = await connect(`sqlite:${file}`)
    expect(ddl).toMatch(/journal_mode = WAL.*CREATE TABLE IF NOT EXISTS tenure_lease/s)
    await expect(store.read('e', calm)).rejects.toMatchObject({ code: 'store-unfit', message: expect.stringContaining(file) })
    await close()
    expect(existsSync(file)).toBe(false)
  })

  test('a directory that is not there is said in one line', async () => {
    const url = `sqlite:${join(dir, 'none', 'app.db')}?tenure_create=true`
    await expect(connect(url)).rejects.toMatchObject({ code: 'store-denied', message: expect.stringContaining('cannot open') })
  })

  test('made on request, examined, and rehearsed on without a trace among its elections', async () => {
    const url = `sqlite://${join(dir, 'with space.db').replaceAll(' ', '%20')}`
    const made = await connect(`${url}?tenure_create=1`)
    await made.close()
    const connected = await connect(url)
    expect(connected.where).toBe(`sqlite:${join(dir, 'with space.db')}`)
    const bid = { election: 'doctor', holder: 'h', candidate: 'c', ttlMs: 2000 }
    const lease = await connected.rehearse?.(async (store) => {
      const won = await store.acquire(bid, calm)
      await store.release(bid, calm)
      return won
    })
    expect(lease?.holder).toBe('h')
    expect(await connected.store.list?.(calm)).toEqual([])
    const found = await connected.examine?.()
    const findings = found && withLevel(found)
    expect(findings?.map(({ level }) => level)).toEqual(['good', 'good'])
    expect(findings?.map(({ text }) => text).join('\n')).toMatch(/journal_mode wal.*level A/s)
    await connected.close()
  })
})
