/** What a supervisor and its guard say to each other, and what becomes of a run where one of them does not hear it. */

import { describe, expect, test } from 'vitest'
import type { Fault } from '../../scripts/build.mjs'
import { childrenOf, hears, kill, place, stateOf, type Tenure, until } from './harness.ts'

const here = place()

/** Frozen guards are given up sooner. */
const impatient: Fault = { file: 'src/cli/guardian.ts', from: 'FROZEN_MS = 5000', to: 'FROZEN_MS = 500' }

/** Somebody who leads, and whose command runs. */
async function leader(options: readonly string[], main?: string): Promise<Tenure> {
  const one = here.tenure(['run', 'x', '-v', ...options, '--', 'sh', '-c', 'echo ran; exec sleep 1000'], { ...(main && { main }) })
  await one.prints(/ran/)
  return one
}

describe('a command that was killed', () => {
  /** A guard that ends, on SIGUSR2, what its supervisor still leads with; its own end is felt long after that of the command. */
  const willful = (laterMs: number): readonly Fault[] => [
    {
      file: 'src/cli/guard.ts',
      from: "report('ready')\n",
      to: "process.on('SIGUSR2', function told() { tree ? end('so it was told') : setTimeout(told, 5) })\nreport('ready')\n",
    },
    { file: 'src/cli/guard.ts', from: 'await flushed(1000)', to: `await new Promise((resolve) => setTimeout(resolve, ${laterMs}))` },
  ]

  test('by the guard, although the tenure holds: 80', async () => {
    const one = await leader([], await here.faulty('willful', ...willful(500)))
    kill(one.guardPid, 'SIGUSR2')
    expect((await one.exited).code).toBe(80)
    expect(one.err).toContain('lost x (its guard has died)')
  })

  test('planted: a supervisor that does not ask whether it was the guard', async () => {
    const unasked: Fault = { file: 'src/cli/service.ts', from: 'guardian.gone(isAsked)', to: 'guardian.gone(false)' }
    const one = await leader([], await here.faulty('unasked', ...willful(3000), unasked))
    kill(one.guardPid, 'SIGUSR2')
    expect((await one.exited).code).toBe(137)
  })

  test('by somebody else: 137, also where the guard is frozen and does not answer', async () => {
    const one = await leader([], await here.faulty('impatient', impatient))
    const [child] = childrenOf(one.pid).filter((pid) => pid !== one.guardPid)
    kill(one.guardPid, 'SIGSTOP')
    kill(child ?? 0, 'SIGKILL')
    expect(await one.exited).toEqual({ code: 137, signal: null })
  })
})

describe('a guard', () => {
  /** Frozen while its supervisor waits, so that it takes nothing of what it is told when that one wins. */
  async function servedByFrozen(main?: string): Promise<Tenure> {
    const first = await leader([])
    const second = here.tenure(['run', 'x', '-v', '--', 'sh', '-c', 'echo ran; exit 3'], { ...(main && { main }) })
    await second.says(/waiting for x/)
    await until(
      () => hears(second.guardPid, 'SIGUSR2') && stateOf(second.guardPid) === 'S',
      () => 'the guard to listen, and to have nothing to do',
    )
    kill(second.guardPid, 'SIGSTOP')
    first.kill('SIGTERM')
    await second.prints(/ran/)
    return second
  }

  test('that is frozen before it knew of anything does not hold up the end of a command', async () => {
    const one = await servedByFrozen(await here.faulty('impatient', impatient))
    expect(await one.exited).toEqual({ code: 3, signal: null })
  })

  test('that is killed with words for it on their way has died: 80', async () => {
    const one = await servedByFrozen()
    // The command has ended, and that cannot be told.
    await until(
      () => childrenOf(one.pid).length === 1,
      () => 'the end of the command',
    )
    kill(one.guardPid, 'SIGKILL')
    expect(await one.exited).toEqual({ code: 80, signal: null })
  })

  test('that is never ready: nothing runs, and the election is given up by its deadline', async () => {
    const main = await here.faulty('never-ready', { file: 'src/cli/guard.ts', from: "report('ready')", to: '' })
    const { code, out } = await here.ended(['run', 'x', '--ttl', '2s', '--', 'echo', 'ran'], { main })
    expect({ code, out }).toEqual({ code: 80, out: '' })
  })
})
