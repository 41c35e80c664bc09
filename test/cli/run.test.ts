/** `tenure run` from the outside: what the child gets, what is passed on, and every way to wait for an election. */

import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isAlive, linesOf, place, type Tenure, until } from './harness.ts'

const here = place()

/** Somebody who leads until he is ended. */
async function leader(election = 'x', options: readonly string[] = []): Promise<Tenure> {
  const one = here.tenure(['run', election, '-v', ...options, '--', 'sleep', '1000'])
  await one.says(new RegExp(`leading ${election}`))
  return one
}

describe('the child', () => {
  test('gets its arguments as they are, its stdout, and no shell', async () => {
    const { code, out } = await here.ended(['run', 'x', '--', 'printf', '%s|', 'a b', '$HOME', '--', '*', ''])
    expect({ code, out }).toEqual({ code: 0, out: 'a b|$HOME|--|*||' })
  })

  test('by a shell with --shell', async () => {
    const { code, out } = await here.ended(['run', 'x', '--shell', '--', 'echo a |', 'tr a b; exit 3'])
    expect({ code, out }).toEqual({ code: 3, out: 'b\n' })
  })

  test('knows its election and its token, and not the store', async () => {
    const script = 'echo $TENURE_ELECTION,$TENURE_CANDIDATE,$TENURE_FENCING_TOKEN,$TENURE_TTL_MS,$TENURE_STORE,$OTHER'
    const env = { OTHER: 'kept' }
    const first = await here.ended(['run', 'my election', '--id', 'me', '--ttl', '5s', '--', 'sh', '-c', script], { env })
    expect(first.out).toMatch(/^my election,me,\d{16},5000,,kept\n$/)
    const again = await here.ended(['run', 'my election', '--id', 'me', '--ttl', '5s', '--', 'sh', '-c', script], { env })
    expect(Number(again.out.split(',')[2])).toBeGreaterThan(Number(first.out.split(',')[2]))
  })

  test('the URL of the store is nowhere in the environment of the tree, nor of the guard', async () => {
    const one = here.tenure(['run', 'x', '-v', '--store', here.store, '--', 'sleep', '1000'], { env: { TENURE_STORE: 'file:/secret' } })
    await one.says(/leading x/)
    const children = () => readFileSync(`/proc/${one.pid}/task/${one.pid}/children`, 'utf8').trim().split(' ')
    const program = (pid: number | string) => readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    await until(
      // Between fork and exec a child is a copy of us, its environment too.
      () => children().length === 2 && children().every((pid) => program(pid) !== program(one.pid)),
      () => 'the guard and a child',
    )
    for (const pid of children()) {
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('file:/secret')
    }
  })

  test.each([0, 1, 7, 64, 75, 80, 126, 255])('its exit code %d is passed on', async (expected) => {
    const { code } = await here.ended(['run', 'x', '--', 'sh', '-c', `exit ${expected}`])
    expect(code).toBe(expected)
  })

  test.each([
    ['TERM', 143],
    ['KILL', 137],
    ['INT', 130],
    ['SEGV', 139],
    ['USR1', 138],
  ] as const)('dies of SIG%s: %d', async (signal, expected) => {
    const { code, signal: own } = await here.ended(['run', 'x', '--', 'sh', '-c', `kill -${signal} $$`])
    expect({ code, own }).toEqual({ code: expected, own: null })
  })

  test('a script without an interpreter line runs, as it would by a shell', async () => {
    const { code, out } = await here.ended(['run', 'x', '--', here.file('script', 'echo it ran\n')])
    expect({ code, out }).toEqual({ code: 0, out: 'it ran\n' })
  })

  test('reads stdin to its end', async () => {
    const { code, out } = await here.ended(['run', 'x', '--', 'sh', '-c', 'cat; echo end'])
    expect({ code, out }).toEqual({ code: 0, out: 'end\n' })
  })

  test('leaves the election free when it has ended', async () => {
    await here.ended(['run', 'x', '--', 'true'])
    const { code } = await here.ended(['run', 'x', '--try', '--', 'true'])
    expect(code).toBe(0)
  })
})

describe('not elected', () => {
  test('--try: 75, at once, and who leads', async () => {
    await leader('x', ['--id', 'the-other'])
    const { code, err, out } = await here.ended(['run', 'x', '--try', '--', 'echo', 'ran'])
    expect({ code, out }).toEqual({ code: 75, out: '' })
    expect(err).toContain('not elected in time: x, led by the-other')
  })

  test('--try with -E: the code that was asked for, also 0', async () => {
    await leader()
    for (const code of [0, 3]) expect((await here.ended(['run', 'x', '--try', '-E', `${code}`, '--', 'true'])).code).toBe(code)
  })

  test('--try of many at once on a store that nobody has used: one runs, the others exit with 75', async () => {
    const log = here.file('log')
    const others = here.file('others')
    const script = `echo $$ >> ${log}; until [ -e ${others} ]; do sleep 0.05; done`
    const all = Array.from({ length: 5 }, () => here.tenure(['run', 'x', '--try', '--', 'sh', '-c', script]))
    const codes: (number | null)[] = []
    for (const one of all) void one.exited.then(({ code }) => codes.push(code))
    await until(
      () => codes.length >= 4,
      () => `four that give up: ${codes}`,
    )
    here.file('others', 'gone')
    await Promise.all(all.map(({ exited }) => exited))
    expect(codes).toEqual([75, 75, 75, 75, 0])
    expect(linesOf(log)).toHaveLength(1)
  })

  test('--wait: 75 when the time is over, and not before', async () => {
    await leader()
    const begun = performance.now()
    const { code } = await here.ended(['run', 'x', '--wait', '700ms', '--', 'true'])
    expect(code).toBe(75)
    expect(performance.now() - begun).toBeGreaterThan(700)
  })

  test('--wait: runs when the election becomes free in time', async () => {
    const first = await leader()
    const second = here.tenure(['run', 'x', '--wait', '15s', '-v', '--', 'echo', 'ran'])
    await second.says(/waiting for x/)
    first.kill('SIGTERM')
    expect(await second.exited).toEqual({ code: 0, signal: null })
    expect(second.out).toBe('ran\n')
  })

  test('without either: waits for ever', async () => {
    // Of a short ttl as little as can be is margin: a busy host may stand still for so much longer.
    const times = ['--ttl', '3s', '--margin', '100ms', '--kill-after', '50ms']
    const first = await leader('x', times)
    const second = here.tenure(['run', 'x', '-v', ...times, '--', 'echo', 'ran'])
    await second.says(/waiting for x/)
    // More than two ttl: all timers of both have gone round.
    const count = () => first.err.match(/renewed/g)?.length ?? 0
    const before = count()
    await until(
      () => count() > before + 7,
      () => `renewals, stderr: ${first.err}`,
    )
    expect(second.process.exitCode).toBeNull()
    first.kill('SIGTERM')
    expect((await second.exited).code).toBe(0)
  })

  test('a store that cannot be reached: 69', async () => {
    await here.ended(['run', 'x', '--', 'true'])
    const faulty = await here.faulty('unreachable', {
      file: 'src/cli/connect-file.ts',
      from: 'return {\n    store,',
      to: 'return {\n    store: { ...store, acquire: () => Promise.reject(new Error("link down")) },',
    })
    for (const wait of [['--try'], ['--wait', '500ms']]) {
      const { code, err } = await here.ended(['run', 'x', ...wait, '--', 'echo', 'ran'], { main: faulty })
      expect(err).toContain('link down')
      expect(err).toContain('could not be reached')
      expect(code).toBe(69)
    }
  })

  test('a store that refuses to serve: 77 denied, 78 unfit, at once', async () => {
    for (const [code, expected] of [
      ['store-denied', 77],
      ['store-unfit', 78],
    ]) {
      const faulty = await here.faulty(
        `refuses-${code}`,
        {
          file: 'src/cli/connect-file.ts',
          from: 'return {\n    store,',
          to: `return {\n    store: { ...store, acquire: () => Promise.reject(new TenureError("${code}", "file: no way")) },`,
        },
        {
          file: 'src/cli/connect-file.ts',
          from: "import { describeValue } from '../errors.ts'",
          to: "import { describeValue, TenureError } from '../errors.ts'",
        },
      )
      const ended = await here.ended(['run', 'x', '--', 'echo', 'ran'], { main: faulty })
      expect(ended).toMatchObject({ code: expected, out: '' })
      expect(ended.err).toContain('file: no way')
    }
  })
})

describe('--hold', () => {
  test('keeps the election when the command has ended earlier, and passes its code on', async () => {
    const one = here.tenure(['run', 'x', '--hold', '8s', '-v', '--', 'sh', '-c', 'echo done; exit 5'])
    await one.says(/the command ended with exit code 5/)
    expect((await here.ended(['run', 'x', '--try', '--', 'true'])).code).toBe(75)
    expect(await one.exited).toEqual({ code: 5, signal: null })
    expect((await here.ended(['run', 'x', '--try', '--', 'true'])).code).toBe(0)
  })

  test('counts from winning, not from the end of the command', async () => {
    const begun = performance.now()
    const { code } = await here.ended(['run', 'x', '--hold', '1s', '--', 'sleep', '1'])
    expect(code).toBe(0)
    expect(performance.now() - begun).toBeLessThan(15_000)
  })

  test('ends with a signal: the work is done, so its code is passed on', async () => {
    const one = here.tenure(['run', 'x', '--hold', '1h', '-v', '--', 'sh', '-c', 'exit 5'])
    await one.says(/ended with exit code 5/)
    one.kill('SIGTERM')
    expect(await one.exited).toEqual({ code: 5, signal: null })
  })
})

describe('--keep', () => {
  test('runs the command again when it ends while leading, more slowly when it ends quickly, until a signal', async () => {
    const log = here.file('log')
    const one = here.tenure(['run', 'x', '--keep', '-v', '--', 'sh', '-c', `echo $TENURE_FENCING_TOKEN >> ${log}; exit 4`])
    // In the pause that follows nobody can die of the signal instead.
    await one.says(/(ended with exit code 4[\s\S]*){4}/)
    one.kill('SIGTERM')
    expect(await one.exited).toEqual({ code: 4, signal: null })
    expect(new Set(linesOf(log)).size).toBe(1)
    // 100, 200, 400, 800 ms: by now a loop without a pause would have made hundreds.
    expect(linesOf(log).length).toBeLessThan(12)
  })

  test('a command that cannot be started any more ends it', async () => {
    const script = here.file('script', '#!/bin/sh\nrm "$0"\n')
    const { code } = await here.ended(['run', 'x', '--keep', '--', script])
    expect(code).toBe(127)
  })
})

describe('talk', () => {
  test('without a terminal: silent while all is well', async () => {
    const { err } = await here.ended(['run', 'x', '--', 'true'])
    expect(err).toBe('')
  })

  test('-v: the store, the win with its token and our pid, the end', async () => {
    const one = here.tenure(['run', 'x', '-v', '--', 'true'])
    await one.exited
    expect(one.err).toContain(`the store is ${here.store}`)
    expect(one.err).toMatch(new RegExp(`leading x, token \\d+, supervisor pid ${one.pid}`))
    expect(one.err).toContain('the command ended with exit code 0')
    expect(one.err.includes('\u001b')).toBe(false)
  })

  test('--json: objects, one a line, on stderr alone', async () => {
    const one = here.tenure(['run', 'x', '--json', '--', 'sh', '-c', 'echo mine; exit 2'])
    await one.exited
    expect(one.out).toBe('mine\n')
    expect(
      one.err
        .split('\n')
        .filter(Boolean)
        .every((line) => line.startsWith('{')),
    ).toBe(true)
    expect(one.events()).toMatchObject([
      { event: 'leading', election: 'x', pid: one.pid },
      { event: 'ended', code: 2 },
    ])
  })

  test('--json: an error is an object too', async () => {
    await leader()
    const one = here.tenure(['run', 'x', '--json', '--try', '--', 'true'])
    expect((await one.exited).code).toBe(75)
    expect(one.events().at(-1)).toMatchObject({ event: 'not-elected', election: 'x' })
  })

  test('--quiet: errors only', async () => {
    await leader()
    expect(await here.ended(['run', 'x', '--quiet', '--try', '--', 'true'])).toMatchObject({ code: 75, err: '' })
    expect((await here.ended(['run', 'x', '--quiet', '--', 'no-such-command'])).err).toContain('command not found')
  })

  test('a stderr that is closed does not end an election', async () => {
    const done = here.file('done')
    const one = here.tenure(['run', 'x', '-v', '--', 'sh', '-c', `sleep 1; touch ${done}`])
    await one.says(/leading x/)
    one.process.stderr?.destroy()
    expect(await one.exited).toEqual({ code: 0, signal: null })
    expect(existsSync(done)).toBe(true)
  })

  test('names from others cannot move the cursor', async () => {
    await leader('x', ['--id', 'evil\u001b[2J'])
    const { err } = await here.ended(['run', 'x', '--try', '--', 'true'])
    expect(err).toContain('evil\uFFFD[2J')
  })
})

describe('what is left', () => {
  test('nothing: neither guard nor child, and no socket', async () => {
    const one = await leader()
    const guard = one.guardPid
    expect(isAlive(guard)).toBe(true)
    one.kill('SIGTERM')
    expect((await one.exited).code).toBe(143)
    await until(
      () => here.left().length === 0,
      () => `the end of ${here.left()}`,
    )
  })

  test('a guard that cannot be started: 70, and nothing runs', async () => {
    const faulty = await here.faulty('no-guard', { file: 'src/cli/guardian.ts', from: "'./guard.js'", to: "'./no-guard.js'" })
    const one = here.tenure(['run', 'x', '--', 'echo', 'ran'], { main: faulty })
    expect((await one.exited).code).toBe(70)
    expect(one.out).toBe('')
    expect(one.err).toContain('the guard did not start')
  })
})
