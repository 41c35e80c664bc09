/** Trees of real processes: whatever a command starts ends with it, wherever it went. */

import { describe, expect, test } from 'vitest'
import { isAlive, kill, linesOf, place, type Tenure, until } from './harness.ts'

const here = place()

/** `WRITER` stands for a script that writes its pid and stays. */
const shapes: readonly [name: string, script: string][] = [
  ['a grandchild', 'sh WRITER & wait'],
  ['a grandchild that ignores SIGTERM', 'trap "" TERM; sh WRITER & wait; sleep 1000'],
  ['a grandchild of an ended parent', '(sh WRITER &); sleep 1000'],
  ['one that left the group by setsid', 'setsid sh WRITER & wait'],
  ['one that left it and lost its parent', 'setsid sh -c "sh WRITER & exit"; sleep 1000'],
  ['one that left it and ignores SIGTERM', 'trap "" TERM; setsid sh WRITER & wait; sleep 1000'],
  ['one with an empty environment in a session of its own', 'env -i setsid sh WRITER & wait'],
  ['a stopped one', 'sh WRITER & sleep 0.2; kill -STOP $!; wait'],
]

async function started(script: string, options: readonly string[] = []): Promise<{ one: Tenure; pid: number }> {
  const log = here.file('pids')
  const writer = here.file('writer', `echo $$ >> ${log}; while :; do sleep 1000; done`)
  const one = here.tenure(['run', 'x', '-v', '--kill-after', '400ms', ...options, '--', 'sh', '-c', script.replace('WRITER', writer)])
  await until(
    () => linesOf(log).length > 0,
    () => `the tree, stderr: ${one.err}`,
  )
  const pid = Number(linesOf(log)[0])
  expect(isAlive(pid)).toBe(true)
  return { one, pid }
}

describe.each(shapes)('%s', (_, script) => {
  test('ends when the supervisor is killed, before anybody else leads', async () => {
    const { one, pid } = await started(script)
    // A zombie has ended; only what runs counts.
    const look = `grep -q 'State:.[^ZX]' /proc/${pid}/status 2>/dev/null && echo it runs; echo next`
    const next = here.tenure(['run', 'x', '-v', '--', 'sh', '-c', look])
    await next.says(/waiting for x/)
    one.kill('SIGKILL')
    await next.exited
    expect(next.out).toBe('next\n')
    expect(isAlive(pid)).toBe(false)
    await until(
      () => here.left().length === 0,
      () => `the end of ${here.left()}`,
    )
  })

  test('ends with --drain after a signal', async () => {
    const { one, pid } = await started(script, ['--drain', '200ms'])
    one.kill('SIGTERM')
    const { code } = await one.exited
    expect([137, 143]).toContain(code)
    expect(isAlive(pid)).toBe(false)
  })

  test('ends when the guard is killed', async () => {
    const { one, pid } = await started(script)
    kill(one.guardPid, 'SIGKILL')
    expect((await one.exited).code).toBe(80)
    expect(one.err).toContain('lost x (its guard has died)')
    expect(isAlive(pid)).toBe(false)
  })
})

describe('what a command leaves behind', () => {
  test.each([
    ['in its group', 'sleep 1000 & exit 3'],
    ['in a session of its own', 'setsid sleep 1000 & sleep 0.3; exit 3'],
    ['ignoring SIGTERM', `sh -c "trap '' TERM; sleep 1000; sleep 1000" & sleep 0.3; exit 3`],
  ])('%s is ended before the lease is released, and its own code comes out', async (_, script) => {
    const { code, err } = await here.ended(['run', 'x', '-v', '--kill-after', '400ms', '--', 'sh', '-c', script])
    expect(code).toBe(3)
    expect(err).toMatch(/left \d of its processes behind/)
    expect(here.left()).toEqual([])
  })

  test('a run within a run: the inner tree ends with the outer supervisor', async () => {
    const main = `${here.folder}/cli/main.js`
    // Without `--wait` it would fork and end, and what it leaves behind is ended.
    const inner = `${process.execPath} ${main} run inner --store ${here.store} -- setsid --wait sh WRITER & wait`
    const { one, pid } = await started(inner)
    one.kill('SIGKILL')
    await until(
      () => !isAlive(pid),
      () => `the end of ${pid}`,
    )
    await until(
      () => here.left().length === 0,
      () => `the end of ${here.left()}`,
    )
  })

  test('others are left alone: the caller’s group, a process of the same name, a process of another run', async () => {
    const up = 'echo up; sleep 999; true'
    const other = here.tenure(['run', 'other', '--', 'sh', '-c', up])
    await other.prints(/up/)
    const one = here.tenure(['run', 'x', '--', 'sh', '-c', up])
    await one.prints(/up/)
    // Supervisor, guard, shell and sleep of each.
    await until(
      () => here.left().length === 8,
      () => `eight processes, not ${here.left().length}`,
    )
    one.kill('SIGKILL')
    await until(
      () => here.left().length === 4,
      () => `four to be left, not ${here.left().length}`,
    )
    expect(other.process.exitCode).toBeNull()
    expect((await here.ended(['status', 'other'])).code).toBe(0)
  })
})
