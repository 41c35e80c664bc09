/**
 * The guard: one writer at a time, whatever is killed or frozen; the timeline of a forced loss; and what is known to go
 * wrong without each of its parts.
 */

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../scripts/build.mjs'
import { openWorld, runRounds } from '../../scripts/rounds.mjs'
import { isAlive, kill, linesOf, place, stateOf, type Tenure, until } from './harness.ts'

const here = place()

/** A child that writes down the time, again and again, and whether it was told to end. */
const diary = `
const { appendFileSync } = require('node:fs')
const note = (what) => appendFileSync(process.env.DIARY, what + ' ' + Date.now() + '\\n')
process.on('SIGTERM', () => { note('term'); if (process.env.POLITE) process.exit(0) })
note('start')
setInterval(() => note('beat'), 5)
`

interface Entry {
  readonly what: string
  readonly at: number
}

async function diarist(
  options: readonly string[],
  env: Record<string, string> = {},
  main?: string,
): Promise<{ one: Tenure; entries: () => Entry[] }> {
  const log = here.file('diary')
  const one = here.tenure(['run', 'x', '-v', ...options, '--', process.execPath, '-e', diary], {
    env: { DIARY: log, ...env },
    ...(main && { main }),
  })
  const entries = () => linesOf(log).map((line) => ({ what: line.split(' ')[0] ?? '', at: Number(line.split(' ')[1]) }))
  await until(
    () => entries().length > 0,
    () => `the child, stderr: ${one.err}`,
  )
  return { one, entries }
}

/** The operator's way of ending a tenure: the record is gone. Repeated where somebody writes at that very moment. */
async function removeElection(): Promise<void> {
  const store = here.store.slice('file:'.length)
  for (const name of readdirSync(store)) {
    if (!name.startsWith('x.')) continue
    const gone = () => {
      rmSync(join(store, name), { recursive: true, force: true })
      return true
    }
    await until(
      () => tried(gone),
      () => `the end of ${name}`,
    )
  }
}

function tried(work: () => boolean): boolean {
  try {
    return work()
  } catch {
    return false
  }
}

/** Renewals fail from the second one on, as if the link to the store were cut. */
const cutLink: Fault = {
  file: 'src/cli/connect-file.ts',
  from: 'return {\n    store,',
  to: `let renewals = 0
  return {
    store: { ...store, renew: (...args) => (renewals++ === 0 ? store.renew(...args) : Promise.reject(new Error('link down'))) },`,
}

describe('a forced loss', () => {
  test('the deadline passes: SIGTERM at the deadline, SIGKILL kill-after later, both before anybody else may lead; 80', async () => {
    const main = await here.faulty('cut-link', cutLink)
    const { one, entries } = await diarist(['--ttl', '8s', '--margin', '3900ms', '--kill-after', '1800ms'], {}, main)
    expect(await one.exited).toEqual({ code: 80, signal: null })
    expect(one.err).toMatch(/lost x \(expired\): SIGTERM to its processes, SIGKILL in [\d.]+m?s/)
    const told = entries().find(({ what }) => what === 'term')?.at ?? 0
    const last = entries().at(-1)?.at ?? 0
    // A token is the time of the win. The bid left a moment before; its deadline is 8 * 0.99 - 3.9 s later, and the one
    // good renewal, within 2.7 s of the win, has put it off.
    const won = Number(/token (\d+)/.exec(one.err)?.[1]) / 1000
    expect(told - won).toBeGreaterThan(2000)
    // 1800 ms, less what the first of them was late by.
    expect(last - told).toBeGreaterThan(450)
    // Nobody else may win before the last good renewal is a ttl old.
    expect(last - won).toBeLessThan(2667 + 8000)
  })

  test('a child that ends politely with 0 when told: still 80, never 0', async () => {
    const main = await here.faulty('cut-link', cutLink)
    const { one, entries } = await diarist(['--ttl', '5s', '--margin', '2s', '--kill-after', '1500ms'], { POLITE: '1' }, main)
    expect((await one.exited).code).toBe(80)
    expect(entries().at(-1)?.what).toBe('term')
  })

  test('--lost-exit-code', async () => {
    const { one } = await diarist(['--lost-exit-code', '33'], { POLITE: '1' })
    await removeElection()
    expect((await one.exited).code).toBe(33)
  })

  test('the record is removed: told at once, SIGKILL kill-after later, 80', async () => {
    const { one, entries } = await diarist(['--kill-after', '1s'])
    await removeElection()
    expect((await one.exited).code).toBe(80)
    expect(one.err).toContain('lost x (superseded)')
    expect(entries().some(({ what }) => what === 'term')).toBe(true)
  })

  test('--on-lost restart: stands again, and the next child has a larger token', async () => {
    const log = here.file('log')
    const one = here.tenure([
      'run',
      'x',
      '-v',
      '--on-lost',
      'restart',
      '--',
      'sh',
      '-c',
      `echo $TENURE_FENCING_TOKEN >> ${log}; while :; do sleep 0.1; done`,
    ])
    await until(
      () => linesOf(log).length === 1,
      () => `the child: ${one.err}`,
    )
    const first = one.guardPid
    await removeElection()
    await until(
      () => linesOf(log).length === 2,
      () => `the second child: ${one.err}`,
    )
    kill(one.guardPid, 'SIGKILL')
    await until(
      () => linesOf(log).length === 3,
      () => `the third child: ${one.err}`,
    )
    const tokens = linesOf(log).map(Number)
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
    expect(new Set(tokens).size).toBe(3)
    expect(isAlive(first)).toBe(false)
    expect(one.guardPid).not.toBe(first)
    one.kill('SIGTERM')
    expect((await one.exited).code).toBe(143)
    await until(
      () => here.left().length === 0,
      () => `the end of ${here.left()}`,
    )
  })

  test('during --hold, when the command has ended, nothing is lost: its own code', async () => {
    const one = here.tenure(['run', 'x', '-v', '--hold', '1h', '--', 'sh', '-c', 'exit 6'])
    await one.says(/ended with exit code 6/)
    await removeElection()
    expect((await one.exited).code).toBe(6)
  })

  test('a loss while the child drains: 80', async () => {
    const { one, entries } = await diarist(['--kill-after', '400ms'])
    one.kill('SIGTERM')
    await until(
      () => entries().some(({ what }) => what === 'term'),
      () => `the child to be told: ${one.err}`,
    )
    await removeElection()
    expect((await one.exited).code).toBe(80)
  })
})

/**
 * The supervisor is killed and its guard held up, until `shown` is: whether somebody else leads by then, while the tree still
 * lives.
 */
async function takenWhileGuardIsFrozen(
  shown: (next: Tenure, entries: () => readonly Entry[]) => Promise<void>,
  main?: string,
): Promise<boolean> {
  const { one, entries } = await diarist(['--ttl', '20s'], {}, main)
  const next = here.tenure(['run', 'x', '-v', '--ttl', '20s', '--', 'sh', '-c', 'echo next'])
  await next.says(/waiting for x/)
  const { guardPid } = one
  kill(guardPid, 'SIGSTOP')
  one.kill('SIGKILL')
  await until(
    () => !isAlive(one.pid),
    () => 'the end of the supervisor',
  )
  await shown(next, entries)
  const isTaken = next.out !== ''
  kill(guardPid, 'SIGCONT')
  expect((await next.exited).code).toBe(0)
  await until(
    () => !isAlive(guardPid),
    () => 'the end of the guard',
  )
  return isTaken
}

/** Hundreds of beats: whoever had felt a death would lead by now. */
async function hundredsOfBeats(next: Tenure, entries: () => readonly Entry[]): Promise<void> {
  const beats = entries().length
  await until(
    () => next.out !== '' || entries().length > beats + 300,
    () => 'the child to go on',
  )
}

describe('the guard', () => {
  test('keeps a healthy child alive for longer than any ttl, with a renewal each', async () => {
    const { one, entries } = await diarist(['--ttl', '3s', '--margin', '200ms', '--kill-after', '100ms'])
    const span = () => (entries().at(-1)?.at ?? 0) - (entries()[0]?.at ?? 0)
    await until(
      () => span() > 7500,
      () => `more than two ttl of beats, after ${span()} ms: ${one.err}`,
    )
    expect(one.process.exitCode).toBeNull()
    expect(one.err.match(/renewed/g)?.length).toBeGreaterThan(3)
  })

  test('a frozen supervisor: the tree is gone before its lease can be taken; on waking it exits with 80', async () => {
    const times = ['--ttl', '4s', '--margin', '1500ms', '--kill-after', '300ms']
    const { one, entries } = await diarist(times)
    await one.says(/renewed/)
    const frozenAt = Date.now()
    one.kill('SIGSTOP')
    await until(
      () => !isAlive(one.guardPid),
      () => 'the guard to do its work',
    )
    const last = entries().at(-1)?.at ?? 0
    // It was sent before; from then on it had 4 * 0.99 - 1.5 + 0.3 s.
    expect(last - frozenAt).toBeLessThan(4000)
    expect(stateOf(one.pid)).toBe('T')
    const next = await here.ended(['run', 'x', ...times, '--', 'echo', 'next'])
    expect(next.out).toBe('next\n')
    one.kill('SIGCONT')
    expect(await one.exited).toEqual({ code: 80, signal: null })
  })

  test('shares the liveness: with the guard frozen and the supervisor killed, nobody leads while the tree lives', async () => {
    expect(await takenWhileGuardIsFrozen(hundredsOfBeats)).toBe(false)
  })

  test('ignores the signals that end others, and is not told by a terminal', async () => {
    const { one, entries } = await diarist(['--ttl', '20s'])
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) kill(one.guardPid, signal)
    const beats = entries().length
    await until(
      () => entries().length > beats + 100,
      () => 'the child to go on',
    )
    one.kill('SIGKILL')
    await until(
      () => here.left().length === 0,
      () => `the end of ${here.left()}`,
    )
    await one.says(/its supervisor has ended; what it ran is ended/)
  })

  test('dies while its supervisor waits: another one serves', async () => {
    const first = here.tenure(['run', 'x', '-v', '--', 'sleep', '1000'])
    await first.says(/leading x/)
    const second = here.tenure(['run', 'x', '-v', '--', 'echo', 'ran'])
    await second.says(/waiting for x/)
    kill(second.guardPid, 'SIGKILL')
    await until(
      () => !isAlive(second.guardPid) || second.guardPid === 0,
      () => 'the end of the guard',
    )
    first.kill('SIGTERM')
    expect(await second.exited).toEqual({ code: 0, signal: null })
    expect(second.out).toBe('ran\n')
  })
})

describe('rounds of every fault', () => {
  test('ten rounds, and no old tree writes after a new one', { timeout: 400_000 }, async () => {
    expect((await runRounds(10)).results).toHaveLength(10)
  })

  test('both killed: what the tree writes then is refused by its token', { timeout: 120_000 }, async () => {
    const world = await openWorld()
    try {
      await world.round('both killed')
      expect(world.refused).toBeGreaterThan(0)
    } finally {
      await world.close()
    }
  })
})

/** Each is a part of the guard taken away; the round that needs it must show that. */
const mutants: readonly [name: string, kind: string, planted: readonly Fault[]][] = [
  ['a guard that does not end the tree', 'supervisor killed', [{ file: 'src/cli/guard.ts', from: 'await tree.gone(() => true)', to: '' }]],
  [
    'a guard that ignores the last instant',
    'supervisor frozen',
    [{ file: 'src/cli/guard.ts', from: 'if (left <= 0)', to: 'if (left <= -1e9)' }],
  ],
  [
    'a tree without a mark',
    'supervisor killed',
    [
      { file: 'src/cli/tree.ts', from: '|| environmentHas(one.pid, this.#root.mark)', to: '' },
      { file: 'src/cli/tree.ts', from: '(pids.has(one.parent) || this.#sessions.has(one.session))', to: 'false' },
    ],
  ],
  [
    'a supervisor that does not mind the death of its guard',
    'guard killed',
    [{ file: 'src/cli/service.ts', from: 'void guardian.died.then(lose)', to: '' }],
  ],
  [
    'a supervisor that releases without looking at what is left',
    'child killed',
    [{ file: 'src/cli/leash.ts', from: 'await this.tree.gone(() => this.#killing)', to: '' }],
  ],
]

describe('planted faults are caught', () => {
  test.each(mutants)('%s', { timeout: 200_000 }, async (_, kind, planted) => {
    const world = await openWorld(planted, 10_000)
    try {
      await expect(world.round(kind)).rejects.toThrow(/of an old tree wrote after a new one had begun|waited/)
    } finally {
      await world.close()
    }
  })

  test('a guard that does not share the liveness', async () => {
    const main = await here.faulty('unshared', {
      file: 'src/cli/guardian.ts',
      from: "this.#send({ type: 'hold', until, root }, liveness)",
      to: "this.#send({ type: 'hold', until, root })",
    })
    expect(await takenWhileGuardIsFrozen((next) => next.prints(/next/), main)).toBe(true)
  })
})
