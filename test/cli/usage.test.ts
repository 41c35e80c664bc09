/** What is typed wrong, and what is wrong with the store: one clear line, the right exit code, nothing on stdout. */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { importClient } from '../../src/cli/import-client.ts'
import { place } from './harness.ts'

const here = place()

describe('help and version', () => {
  test.each([
    ['--help'],
    ['-h'],
    ['help'],
    ['help', 'run'],
    ['run', '--help'],
    ['status', '--help'],
    ['watch', '--help'],
    ['doctor', '-h'],
    ['ddl', '-h'],
  ])('tenure %s %s prints help to stdout and exits with 0', async (...args) => {
    const { code, out, err } = await here.ended(args.filter((arg) => arg !== undefined))
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('Usage: tenure')
  })

  test('--version prints the version of the package', async () => {
    const { code, out } = await here.ended(['--version'])
    expect(code).toBe(0)
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test('without a verb: the help, to stderr, and 64', async () => {
    const { code, out, err } = await here.ended([])
    expect({ code, out }).toEqual({ code: 64, out: '' })
    expect(err).toContain('Usage: tenure')
  })
})

describe('usage: 64, and what to type', () => {
  test.each<[string, string[], string]>([
    ['an unknown verb', ['rnu', 'x'], "unknown command 'rnu'"],
    ['an unknown option', ['run', 'x', '--tll', '5s', '--', 'true'], 'Did you mean --ttl?'],
    ['no election', ['run', '--', 'true'], "missing required argument 'election'"],
    ['no command', ['run', 'x'], 'Say what to run: tenure run x -- node worker.js'],
    ['an empty command', ['run', 'x', '--'], 'Say what to run'],
    ['no --', ['run', 'x', 'node', 'worker.js'], 'Put -- before the command: tenure run x -- node worker.js'],
    ['two elections', ['run', 'x', 'y', '--', 'true'], 'Expected one election before --, got x y'],
    ['a bare number', ['run', 'x', '--ttl', '15', '--', 'true'], 'Expected `--ttl` to be a duration like 250ms, 15s, 5m or 1h, got "15"'],
    [
      'a ttl below the least',
      ['run', 'x', '--ttl', '50ms', '--', 'true'],
      'Expected `--ttl` to be a whole number of milliseconds, at least 100, the least that store `file` can keep, got 50 (number)\n',
    ],
    [
      'a margin of half the ttl',
      ['run', 'x', '--margin', 'ttl/2', '--kill-after', '1s', '--', 'true'],
      'Expected `--margin` to be less than `--ttl / 2` (7500), got 7500 (number), in milliseconds\n',
    ],
    [
      'kill-after at the margin',
      ['run', 'x', '--kill-after', 'ttl/5', '--', 'true'],
      'Expected `--kill-after` to be less than the margin (3s), got 3s',
    ],
    [
      'kill-after beyond the margin',
      ['run', 'x', '--margin', '1s', '--kill-after', '2s', '--', 'true'],
      'less than the margin (1s), got 2s',
    ],
    ['--try and --wait', ['run', 'x', '--try', '--wait', '1s', '--', 'true'], 'Give --try or --wait, not both'],
    ['--on-lost what', ['run', 'x', '--on-lost', 'cry', '--', 'true'], 'Expected `--on-lost` to be exit or restart, got "cry"'],
    [
      'a lost election is never a success',
      ['run', 'x', '--lost-exit-code', '0', '--', 'true'],
      'Expected `--lost-exit-code` to be a whole number from 1 to 255, got "0"',
    ],
    [
      'an exit code that is none',
      ['run', 'x', '-E', '256', '--', 'true'],
      'Expected `--conflict-exit-code` to be a whole number from 0 to 255, got "256"',
    ],
    ['an election without a name', ['run', '', '--', 'true'], 'Expected `election` to be a string of 1 to 200'],
    ['an id that is too long', ['run', 'x', '--id', 'i'.repeat(201), '--', 'true'], 'Expected `id` to be a string of 1 to 200'],
    ['help for what is no verb', ['help', 'nope'], 'There is no verb "nope"'],
    ['watch without an election', ['watch'], "missing required argument 'election'"],
    ['status of two elections', ['status', 'x', 'y'], 'too many arguments'],
  ])('%s', async (_, args, says) => {
    const { code, out, err } = await here.ended(args)
    expect(err).toContain(says)
    expect(err).not.toMatch(/\n\s+at /)
    expect({ code, out }).toEqual({ code: 64, out: '' })
  })
})

describe('the store', () => {
  test.each<[string, string, string]>([
    ['memory:', 'memory:', 'memory: lives in one process only'],
    ['an unknown scheme', 'mongodb://user:hunter2@host/x', 'Expected the URL of the store to start with file:'],
    ['no scheme', '/var/lib/tenure', 'Expected the URL of the store to start with file:'],
    ['a password without a scheme', 'postgres//me:hunter2@host/x', 'got one without a scheme'],
    ['a password behind no scheme', 'me:hunter2@host/x', 'got "me:"'],
    ['an empty one', '', 'The URL of the store (--store, TENURE_STORE) is empty'],
    ['a relative path', 'file:leases', 'Expected an absolute path like file:/var/lib/app/tenure'],
    ['a parameter that is not known', 'file:/tmp/x?tenure_mode=1', 'file: takes no parameters'],
    ['a percent sign', 'file:/tmp/%zz', 'written as %25'],
  ])('%s is refused with 78', async (_, url, says) => {
    for (const args of [
      ['run', 'x', '--store', url, '--', 'true'],
      ['status', '--store', url],
      ['watch', 'x', '--store', url],
    ]) {
      const { code, out, err } = await here.ended(args)
      expect(err).toContain(says)
      expect(err).not.toContain('hunter2')
      expect({ code, out }).toEqual({ code: 78, out: '' })
    }
  })

  test('a user without a home: 78 by every verb, and what to name instead', async () => {
    const main = await here.faulty('homeless', {
      file: 'src/stores/file/place.ts',
      from: 'return userInfo()',
      to: "return { ...userInfo(), homedir: '/no/such/home' }",
    })
    for (const args of [['run', 'x', '--', 'true'], ['status'], ['status', 'x'], ['watch', 'x'], ['doctor']]) {
      const { code, out, err } = await here.ended(args, { main, env: { TENURE_STORE: undefined } })
      expect(err).toMatch(/the home directory \/no\/such\/home does not exist.*file:\/path/)
      expect({ code, out }).toEqual({ code: 78, out: '' })
    }
  })

  test('a directory that cannot be made: 78 or 77, and its path', async () => {
    const file = here.file('in-the-way', '')
    for (const args of [['run', 'x', '--', 'true'], ['doctor']]) {
      const { code, err } = await here.ended(args, { env: { TENURE_STORE: `file:${file}/below` } })
      expect(err).toContain(`${file}/below`)
      expect([77, 78]).toContain(code)
    }
  })

  test('a file of the system where no directory can be made: 69, and it ends', async () => {
    const { code, err } = await here.ended(['run', 'x', '--try', '--', 'true'], { env: { TENURE_STORE: 'file:/proc/tenure' } })
    expect(err).toContain('/proc/tenure')
    expect(code).toBe(69)
  })

  test('--store wins over TENURE_STORE', async () => {
    const { code } = await here.ended(['run', 'x', '--store', here.store, '--', 'true'], { env: { TENURE_STORE: 'memory:' } })
    expect(code).toBe(0)
    const { out } = await here.ended(['status', 'x', '--json'])
    expect(JSON.parse(out)).toEqual({ election: 'x', leader: null })
  })

  test('a tenure that is run by another is not given its store, and says so', async () => {
    const store = ['--store', here.store]
    const nested = `${process.execPath} ${here.folder}/cli/main.js`
    const { err } = await here.ended(['run', 'x', ...store, '--shell', '--', `${nested} ddl ${store.join(' ')}; ${nested} status`])
    expect(err.match(/inside of tenure run, which does not pass on its store: this is file:/g)).toHaveLength(1)
  })

  test('--json behind -- is none of ours', async () => {
    const { err } = await here.ended(['run', 'x', '--store', 'bogus:', '--', 'grep', '--json'])
    expect(err).toMatch(/^tenure: Expected the URL/)
  })

  test('the client package is found from the working directory; a missing one says what to type', async () => {
    const folder = here.file('project')
    mkdirSync(join(folder, 'node_modules', 'some-client'), { recursive: true })
    writeFileSync(join(folder, 'node_modules', 'some-client', 'package.json'), '{"name":"some-client","main":"index.js"}')
    writeFileSync(join(folder, 'node_modules', 'some-client', 'index.js'), 'module.exports = { answer: 42 }')
    await expect(importClient('some-client', 'some', folder)).resolves.toMatchObject({ default: { answer: 42 } })
    await expect(importClient('other-client', 'other', folder)).rejects.toMatchObject({
      exitCode: 78,
      message: 'other: needs the package other-client. Type: npm i other-client, or: npx -p tenure -p other-client tenure ...',
    })
  })
})

describe('the command', () => {
  test('that is not there: 127, before anybody stands', async () => {
    const { code, err } = await here.ended(['run', 'x', '--', 'no-such-command'])
    expect(err).toContain('command not found: no-such-command')
    expect(code).toBe(127)
  })

  test('that cannot be executed: 126', async () => {
    const script = here.file('script', 'echo')
    chmodSync(script, 0o644)
    for (const file of [script, here.folder]) {
      const { code, err } = await here.ended(['run', 'x', '--', file])
      expect(err).toContain(`cannot execute ${file}`)
      expect(code).toBe(126)
    }
  })

  test('that vanished while waiting: 127', async () => {
    const script = here.file('script', '#!/bin/sh\n')
    const first = here.tenure(['run', 'x', '-v', '--', 'sleep', '1000'])
    await first.says(/leading x/)
    const second = here.tenure(['run', 'x', '-v', '--', script])
    await second.says(/waiting for x/)
    const { rmSync } = await import('node:fs')
    rmSync(script)
    first.kill('SIGTERM')
    expect(await second.exited).toEqual({ code: 127, signal: null })
  })

  test('with an interpreter that is not there: 127', async () => {
    const { code } = await here.ended(['run', 'x', '--', here.file('script', '#!/no/such/interpreter\n')])
    expect(code).toBe(127)
  })
})
