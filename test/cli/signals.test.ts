/** Signals: what is passed on, what ends the run, and how long an end may take. */

import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { hears, isAlive, isPending, kill, linesOf, place, type Tenure, until } from './harness.ts'

const here = place()

/** Of a short ttl as little as can be is margin: a busy host may stand still for so much longer. */
const times = ['--ttl', '4s', '--margin', '200ms', '--kill-after', '100ms']

/** A child that tells which signals it gets, and ends with 9 on the one that is named. */
async function listener(ends: string, options: readonly string[] = []): Promise<{ one: Tenure; log: string }> {
  const log = here.file('log')
  const traps = ['HUP', 'INT', 'QUIT', 'TERM', 'USR1', 'USR2'].map(
    (name) => `trap 'echo ${name} >> ${log}${name === ends ? '; exit 9' : ''}' ${name}`,
  )
  // The shell hears of a signal as soon as its `sleep` has ended, and that is in the group too.
  const script = `${traps.join('\n')}\necho ready >> ${log}\nwhile :; do sleep 0.05; done`
  const one = here.tenure(['run', 'x', '-v', ...options, '--', 'sh', '-c', script])
  await until(
    () => linesOf(log).includes('ready'),
    () => `the child, stderr: ${one.err}`,
  )
  return { one, log }
}

/** A supervisor that hears of signals: SIGTERM alone has a handler of Node from the beginning. */
function listening(one: Tenure): Promise<void> {
  return until(
    () => hears(one.pid, 'SIGUSR2'),
    () => `the supervisor to listen: ${one.err}`,
  )
}

describe('while the child runs', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('%s is passed on; the child’s own exit code comes out', async (signal) => {
    const { one, log } = await listener(signal.slice(3))
    one.kill(signal)
    expect(await one.exited).toEqual({ code: 9, signal: null })
    expect(linesOf(log)).toEqual(['ready', signal.slice(3)])
  })

  test.each(['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)('%s is passed on, and by itself ends nothing', async (signal) => {
    const { one, log } = await listener('TERM')
    one.kill(signal)
    await until(
      () => linesOf(log).includes(signal.slice(3)),
      () => signal,
    )
    expect((await here.ended(['run', 'x', '--try', '--', 'true'])).code).toBe(75)
    one.kill('SIGTERM')
    expect((await one.exited).code).toBe(9)
  })

  test('the whole group of the child gets it, and the group of the supervisor nothing', async () => {
    const log = here.file('log')
    const inner = `trap 'echo inner >> ${log}; exit 0' TERM; echo ready >> ${log}; while :; do sleep 0.05; done`
    const one = here.tenure([
      'run',
      'x',
      '--',
      'sh',
      '-c',
      `trap 'echo outer >> ${log}' TERM; sh -c "${inner.replaceAll('$', '\\$')}" & wait; wait; exit 6`,
    ])
    await until(
      () => linesOf(log).includes('ready'),
      () => `the child: ${one.err}`,
    )
    // By its pid alone: the supervisor's own group is ours to signal, not its.
    kill(one.pid, 'SIGTERM')
    expect((await one.exited).code).toBe(6)
    expect(linesOf(log).sort()).toEqual(['inner', 'outer', 'ready'])
  })

  test('the lease is kept for as long as the child takes to end, and no longer', async () => {
    const log = here.file('log')
    const one = here.tenure([
      'run',
      'x',
      ...times,
      '--',
      'sh',
      '-c',
      `trap 'sleep 6; echo end >> ${log}; exit 0' TERM; echo ready >> ${log}; while :; do sleep 0.05; done`,
    ])
    await until(
      () => linesOf(log).includes('ready'),
      () => 'the child',
    )
    one.kill('SIGTERM')
    const next = await here.ended(['run', 'x', ...times, '--', 'sh', '-c', `echo next >> ${log}`])
    expect(next.code).toBe(0)
    expect((await one.exited).code).toBe(0)
    expect(linesOf(log)).toEqual(['ready', 'end', 'next'])
  })

  test('--drain: SIGKILL when the time is over, and 137', async () => {
    const one = here.tenure(['run', 'x', '-v', '--drain', '300ms', '--', 'sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'])
    await one.prints(/ready/)
    one.kill('SIGTERM')
    expect(await one.exited).toEqual({ code: 137, signal: null })
    await until(
      () => here.left().length === 0,
      () => `the end of ${here.left()}`,
    )
  })

  test('without --drain a child that ignores SIGTERM is waited for, leading', async () => {
    const one = here.tenure(['run', 'x', '-v', ...times, '--', 'sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'])
    await one.prints(/ready/)
    one.kill('SIGTERM')
    await one.says(/(.*renewed\n){4}/)
    expect(one.process.exitCode).toBeNull()
    expect((await here.ended(['run', 'x', '--try', ...times, '--', 'true'])).code).toBe(75)
  })

  test('with --keep and --on-lost restart: no child is started after a signal', async () => {
    const log = here.file('log')
    const one = here.tenure([
      'run',
      'x',
      '--keep',
      '--on-lost',
      'restart',
      '--',
      'sh',
      '-c',
      `echo run >> ${log}; while :; do sleep 0.05; done`,
    ])
    await until(
      () => linesOf(log).length === 1,
      () => 'the child',
    )
    one.kill('SIGTERM')
    expect((await one.exited).code).toBe(143)
    expect(linesOf(log)).toEqual(['run'])
  })
})

describe('while waiting', () => {
  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ] as const)('%s exits at once with %d, and nothing was run', async (signal, code) => {
    const first = here.tenure(['run', 'x', '-v', '--', 'sleep', '1000'])
    await first.says(/leading x/)
    const second = here.tenure(['run', 'x', '-v', '--', 'echo', 'ran'])
    await second.says(/waiting for x/)
    const guard = second.guardPid
    second.kill(signal)
    expect(await second.exited).toEqual({ code, signal: null })
    expect(second.out).toBe('')
    await until(
      () => !isAlive(guard),
      () => 'the end of its guard',
    )
    expect(first.process.exitCode).toBeNull()
  })

  test('SIGTERM at the moment of winning: the child is not started, or is told', async () => {
    const log = here.file('log')
    for (let round = 0; round < 8; round++) {
      const one = here.tenure([
        'run',
        'x',
        '-v',
        '--',
        'sh',
        '-c',
        `echo start >> ${log}; trap 'echo told >> ${log}; exit 0' TERM; echo armed >> ${log}; while :; do sleep 0.02; done`,
      ])
      await one.says(/the store is/)
      await listening(one)
      await new Promise((resolve) => setTimeout(resolve, round * 15))
      one.kill('SIGTERM')
      const { code } = await one.exited
      const lines = linesOf(log).splice(0)
      // Never started; or started and ended by SIGTERM, with or without its trap set.
      if (lines.length === 0) expect(code).toBe(143)
      else expect([0, 143]).toContain(code)
      writeFileSync(log, '')
      expect((await here.ended(['run', 'x', '--try', '--', 'true'])).code).toBe(0)
    }
  })

  test('a store that does not answer: SIGTERM waits for its call to be over, a second one does not', async () => {
    const main = await here.faulty('hung', {
      file: 'src/cli/connect-file.ts',
      from: 'return {\n    store,',
      to: 'return {\n    store: { ...store, acquire: () => new Promise(() => {}) },',
    })
    // Calls of this ttl may take ten minutes.
    const one = here.tenure(['run', 'x', '-v', '--ttl', '1h', '--', 'echo', 'ran'], { main })
    await one.says(/the store is/)
    await listening(one)
    one.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 200))
    // Two of a kind are one to whoever has not taken the first.
    await until(
      () => !isPending(one.pid, 'SIGTERM'),
      () => 'the first SIGTERM to be taken',
    )
    expect(one.process.exitCode).toBeNull()
    one.kill('SIGTERM')
    expect(await one.exited).toEqual({ code: 143, signal: null })
  })
})
