/** `tenure status`, `watch`, `doctor` and `ddl`: data on stdout, talk on stderr. */

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { place, type Tenure } from './harness.ts'

const here = place()

async function leader(election: string, id: string): Promise<Tenure> {
  const one = here.tenure(['run', election, '--id', id, '-v', '--', 'sleep', '1000'])
  await one.says(/leading/)
  return one
}

describe('status', () => {
  test('of nothing: says so on stderr, exits with 0', async () => {
    const { code, out, err } = await here.ended(['status'])
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(err).toContain(`no elections yet in ${here.store}`)
    expect((await here.ended(['status', '--json'])).out).toBe('[]\n')
  })

  test('of all: a table, one row an election, sorted', async () => {
    await leader('outbox', 'host-b')
    await here.ended(['run', 'an old one', '--', 'true'])
    const { code, out, err } = await here.ended(['status'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const [heads, first, second, ...rest] = out.trimEnd().split('\n')
    expect(heads).toMatch(/^ELECTION +LEADER +SINCE +TOKEN +LEASE LEFT$/)
    expect(first).toMatch(/^an old one +- +- +- +-$/)
    expect(second).toMatch(/^outbox +host-b +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \([\d.m]+s\) +\d{16} +up to [\d.]+s$/)
    expect(rest).toEqual([])
  })

  test('of one: 0 where somebody leads, 1 where nobody does', async () => {
    expect((await here.ended(['status', 'outbox'])).code).toBe(1)
    const one = await leader('outbox', 'me')
    expect((await here.ended(['status', 'outbox'])).code).toBe(0)
    one.kill('SIGTERM')
    await one.exited
    expect((await here.ended(['status', 'outbox'])).code).toBe(1)
  })

  test('of a leader that was killed together with its guard: 1, at once', async () => {
    const one = await leader('outbox', 'me')
    process.kill(one.guardPid, 'SIGKILL')
    one.kill('SIGKILL')
    await one.exited
    expect((await here.ended(['status', 'outbox'])).code).toBe(1)
  })

  test('--json: objects', async () => {
    await leader('outbox', 'me')
    const all = JSON.parse((await here.ended(['status', '--json'])).out)
    expect(all).toMatchObject([{ election: 'outbox', leader: 'me' }])
    const one = JSON.parse((await here.ended(['status', 'outbox', '--json'])).out)
    expect(one).toMatchObject({ election: 'outbox', leader: 'me' })
    expect(Number.isSafeInteger(one.fencingToken)).toBe(true)
    expect(one.remainingMs).toBeGreaterThan(0)
    expect(one.heldMs).toBeGreaterThanOrEqual(0)
    expect(JSON.parse((await here.ended(['status', 'other', '--json'])).out)).toEqual({ election: 'other', leader: null })
  })

  test('a record of another version hides nobody else', async () => {
    await leader('outbox', 'me')
    await here.ended(['run', 'another', '--', 'true'])
    const dir = here.store.slice('file:'.length)
    const versions = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => /\d\.json$/.test(name))
    const theirs = versions.map((name) => join(dir, name)).filter((path) => readFileSync(path, 'utf8').includes('"another"'))
    const change = (from: string, to: string) => {
      for (const path of theirs) writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
    }
    change('"format":1', '"format":2')

    const { code, out, err } = await here.ended(['status'])
    expect(code).toBe(78)
    expect(out).toMatch(/^another +\? +- +- +-\noutbox +me /m)
    expect(err).toMatch(/^tenure: file: cannot use .*: its format is 2, and this version of tenure reads 1\n$/)
    expect(JSON.parse((await here.ended(['status', '--json'])).out)).toMatchObject([
      { election: 'another', error: { code: 'store-unfit', message: expect.stringContaining('its format is 2') } },
      { election: 'outbox', leader: 'me' },
    ])
    const named = await here.ended(['status', 'another'])
    expect(named).toMatchObject({ code: 78, out: '' })
    expect((await here.ended(['status', 'outbox'])).code).toBe(0)

    const status = here.tenure(['status', '--watch'])
    await status.prints(/outbox +me/)
    await status.says(/its format is 2/)
    change('"format":2', '"format":1')
    await status.prints(/another +- +- +- +-\n/)
    expect(status.err.match(/its format is 2/g)).toHaveLength(1)
    status.kill('SIGINT')
    await status.exited
  })

  test('--watch: again when something changes, until it is ended', async () => {
    const one = await leader('outbox', 'first')
    const status = here.tenure(['status', 'outbox', '--watch', '--json'])
    await status.prints(/first/)
    one.kill('SIGTERM')
    await status.prints(/"leader":null/)
    await leader('outbox', 'second')
    await status.prints(/second/)
    expect(status.out.trimEnd().split('\n')).toHaveLength(3)
    status.kill('SIGINT')
    await status.exited
  })

  describe('--watch, and a store that does not answer', () => {
    /** A build whose file store fails in one way or another while a file says so. */
    const failing = async (code: string) => {
      const main = await here.faulty(`fails-${code}`, {
        file: 'src/cli/connect-file.ts',
        from: 'return {\n    store,',
        to: `return {
          store: { ...store, async list(signal) {
            if (existsSync(dir + '.down')) throw faultOf(Object.assign(new Error(), { code: '${code}' }), dir)
            return store.list(signal)
          } },`,
      })
      return { main, down: `${here.store.slice('file:'.length)}.down` }
    }

    test('is told once, asked again, and told of again', async () => {
      const { main, down } = await failing('EIO')
      writeFileSync(down, '')
      const status = here.tenure(['status', '--watch'], { main })
      await status.says(/the disk fails \(EIO\); asked again every second\n/)
      await leader('outbox', 'first')
      rmSync(down)
      await status.prints(/outbox +first/)
      writeFileSync(down, '')
      await status.says(/(the disk fails[\s\S]*){2}/)
      await leader('another', 'second')
      rmSync(down)
      await status.prints(/another +second/)
      // Two streams: what was written first on one may be read after what was written on the other.
      await status.says(/(answers again[\s\S]*){2}/)
      expect(status.err.match(/the disk fails/g)).toHaveLength(2)
      expect(status.err.match(/answers again/g)).toHaveLength(2)
      status.kill('SIGINT')
      expect((await status.exited).signal).toBe('SIGINT')
    })

    test('one that refuses from the beginning is an end; later it may be mended', async () => {
      const { main, down } = await failing('EACCES')
      writeFileSync(down, '')
      expect((await here.ended(['status', '--watch'], { main })).code).toBe(77)
      rmSync(down)
      await leader('outbox', 'first')
      const status = here.tenure(['status', '--watch', '--json'], { main })
      await status.prints(/first/)
      writeFileSync(down, '')
      await status.says(/store-denied/)
      rmSync(down)
      await status.says(/answers again/)
      expect(status.events().map(({ event, code }) => [event, code])).toEqual([
        ['trouble', 'store-denied'],
        ['answered', undefined],
      ])
      status.kill('SIGINT')
      await status.exited
    })
  })

  test('plain text where nobody looks: no colour, no cursor', async () => {
    await leader('outbox', 'me')
    for (const env of [{}, { NO_COLOR: '1' }, { CI: 'true' }, { FORCE_COLOR: undefined }]) {
      expect((await here.ended(['status'], { env })).out).not.toContain('\u001b')
    }
  })

  test('a reader that has seen enough is no error', async () => {
    await leader('outbox', 'me')
    const status = here.tenure(['status', '--watch', '--json'])
    await status.prints(/me/)
    status.process.stdout?.destroy()
    await leader('another', 'me too')
    expect((await status.exited).code).toBe(0)
    expect(status.err).toBe('')
  })
})

describe('watch', () => {
  test('the present state first, then a line for each change; Ctrl-C ends it', async () => {
    const watch = here.tenure(['watch', 'outbox'])
    await watch.prints(/Z outbox: nobody leads\n/)
    const one = await leader('outbox', 'me')
    await watch.prints(/Z outbox: me leads, token \d{16}\n/)
    one.kill('SIGTERM')
    await watch.prints(/me leads.*\n.*nobody leads\n/)
    watch.kill('SIGINT')
    expect((await watch.exited).code).toBe(130)
    expect(watch.out.trimEnd().split('\n')).toHaveLength(3)
    expect(watch.err).toBe('')
  })

  test('--json', async () => {
    await leader('outbox', 'me')
    const watch = here.tenure(['watch', 'outbox', '--json'])
    await watch.prints(/\n/)
    expect(JSON.parse(watch.out)).toMatchObject({ election: 'outbox', leader: 'me' })
    watch.kill('SIGTERM')
    expect((await watch.exited).code).toBe(143)
  })
})

describe('doctor', () => {
  test('finds what it can, and leaves no trace', async () => {
    const { code, out, err } = await here.ended(['doctor'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('can be reached; bids, renewals and releases are allowed')
    expect(out).toMatch(/of 60 calls the slowest took [\d.]+ ms/)
    expect(out).toContain('is on a local filesystem')
    expect(out).toContain('level A')
    expect(out).toMatch(/ttl/)
    expect(readdirSync(here.store.slice('file:'.length))).toEqual([])
  })

  test('--json', async () => {
    const { out } = await here.ended(['doctor', '--json'])
    const report = JSON.parse(out)
    expect(report).toMatchObject({ store: here.store })
    expect(String(report.slowestCallMs)).toMatch(/^\d+(\.\d{1,2})?$/)
    expect(report.findings.map(({ level }: { level: string }) => level)).not.toContain('unfit')
  })

  test('a store that never answers: 69, within a bound', async () => {
    const faulty = await here.faulty('hung', {
      file: 'src/cli/connect-file.ts',
      from: 'return await use(rehearsal)',
      to: 'return await use({ ...rehearsal, acquire: () => new Promise(() => {}) })',
    })
    const { code, err } = await here.ended(['doctor'], { main: faulty })
    expect(err).toContain('did not answer within 5 s')
    expect(code).toBe(69)
  })
})

test('ddl: for a store without tables there is nothing to print, which a script has to notice: 64', async () => {
  const { code, out, err } = await here.ended(['ddl'])
  expect({ code, out }).toEqual({ code: 64, out: '' })
  expect(err).toMatch(/needs no SQL.*--store postgres:/)
})

test('the default store is in the home of the user database, whatever the environment says', async () => {
  const one = await here.ended(['doctor', '--json'], { env: { TENURE_STORE: undefined, HOME: here.folder, XDG_STATE_HOME: here.folder } })
  expect(JSON.parse(one.out).store).toBe(`file:${userInfo().homedir}/.local/state/tenure`)
  expect(existsSync(`${here.folder}/.local`)).toBe(false)
})
