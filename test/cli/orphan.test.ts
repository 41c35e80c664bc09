/** A guard whose supervisor has ended, at any moment of its own beginning: it ends, and says nothing. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { Fault } from '../../scripts/build.mjs'
import { place } from './harness.ts'

const here = place()

/** What a guard says that lives for so long before its channel ends. */
async function orphan(folder: string, lifeMs: number): Promise<string> {
  const guard = spawn(process.execPath, [`${here.folder}/${folder}/guard.js`, 'x'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: here.environment(),
    detached: true,
  })
  let err = ''
  guard.stderr?.on('data', (chunk: Buffer) => {
    err += chunk
  })
  const ended = Promise.all([once(guard, 'exit'), once(guard.stderr ?? guard, 'close')])
  if (lifeMs > 0) await new Promise((resolve) => setTimeout(resolve, lifeMs))
  guard.disconnect()
  await ended
  return err
}

describe('an orphaned guard', () => {
  test.each([0, 10, 20, 30, 40, 60, 80, 120, 200])('after %d ms', async (lifeMs) => {
    expect(await orphan('cli', lifeMs)).toBe('')
  })

  test('one that takes it for granted that it is heard is found out', async () => {
    const file = 'src/cli/guard.ts'
    const faults: readonly Fault[] = [
      { file, from: 'process.send?.(word, undefined, {}, () => {})', to: 'process.send?.(word)' },
      { file, from: 'if (!process.connected) end(', to: 'if (false) end(' },
    ]
    await here.faulty('trusting', ...faults)
    expect(await orphan('trusting', 0)).toContain('ERR_IPC_CHANNEL_CLOSED')
  })
})
