/** Processes whose other end of the channel has gone, at any moment of their own beginning: they end, and say nothing. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../scripts/build.mjs'
import { place } from './harness.ts'

const here = place()

/** What a process says that lives for so long before its channel ends. */
async function orphan(args: readonly string[], lifeMs: number): Promise<string> {
  const one = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: here.environment(),
    detached: true,
  })
  let err = ''
  one.stderr?.on('data', (chunk: Buffer) => {
    err += chunk
  })
  const ended = Promise.all([once(one, 'exit'), once(one.stderr ?? one, 'close')])
  if (lifeMs > 0) await new Promise((resolve) => setTimeout(resolve, lifeMs))
  one.disconnect()
  await ended
  return err
}

const guard = (folder: string) => [`${here.folder}/${folder}/guard.js`, 'x']

describe('an orphaned guard', () => {
  test.each([0, 10, 20, 30, 40, 60, 80, 120, 200])('after %d ms', async (lifeMs) => {
    expect(await orphan(guard('cli'), lifeMs)).toBe('')
  })

  test('one that takes it for granted that it is heard is found out', async () => {
    const file = 'src/cli/guard.ts'
    const faults: readonly Fault[] = [
      { file, from: 'process.send?.(word, undefined, {}, () => {})', to: 'process.send?.(word)' },
      { file, from: 'if (!process.connected) end(', to: 'if (false) end(' },
    ]
    await here.faulty('trusting', ...faults)
    expect(await orphan(guard('trusting'), 0)).toContain('ERR_IPC_CHANNEL_CLOSED')
  })
})

describe('an actor of the demonstration whose stage has gone', () => {
  test.each([0, 50, 100, 200, 400])('after %d ms', async (lifeMs) => {
    const args = [`${here.folder}/cli/main.js`, 'demo', '--actor', 'a', '--dir', here.file('stage')]
    expect(await orphan(args, lifeMs)).toBe('')
  })
})
