/** The delay of the event loop: the worst of a window, whoever asks and how often, and nothing that keeps a process alive. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { LoopDelay } from '../../src/metrics/loop-delay.ts'

/** A histogram that is told what it measures. */
function told() {
  const state = { now: 1000, max: 0, enabled: false }
  const histogram = {
    get max() {
      return state.max
    },
    enable() {
      state.enabled = true
    },
    disable() {
      state.enabled = false
    },
    reset() {
      state.max = 0
    },
  }
  const delay = new LoopDelay(() => state.now, histogram as never)
  const blocked = (ms: number) => {
    state.max = Math.max(state.max, (ms + 20) * 1e6)
  }
  return { state, delay, blocked }
}

test('the worst is told for at least a minute, and to everybody who asks', () => {
  const { state, delay, blocked } = told()
  blocked(300)
  for (let second = 0; second < 60; second++) {
    expect(delay.worst()).toBeCloseTo(0.3)
    expect(delay.worst()).toBeCloseTo(0.3)
    state.now += 1000
  }
  blocked(100)
  expect(delay.worst()).toBeCloseTo(0.3)
  state.now += 59_000
  expect(delay.worst()).toBeCloseTo(0.3)
  state.now += 61_000
  expect(delay.worst()).toBeLessThan(0.3)
})

test('an idle loop has no delay, and what nobody asked for in two minutes is forgotten only if it is old', () => {
  const { state, delay, blocked } = told()
  expect(delay.worst()).toBe(0)
  blocked(200)
  state.now += 200_000
  // Nobody knows when it was: it is told once more.
  expect(delay.worst()).toBeCloseTo(0.2)
  state.now += 200_000
  expect(delay.worst()).toBe(0)
})

test('it listens while it is wanted', () => {
  const { state, delay } = told()
  expect(state.enabled).toBe(true)
  delay.dispose()
  expect(state.enabled).toBe(false)
})

test('a process with metrics ends by itself', async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { LoopDelay } from './src/metrics/loop-delay.ts'; console.log(new LoopDelay().worst())`,
      resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
    },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
  })
  const code = outputFiles[0]?.text ?? ''
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], { timeout: 25_000 })
  expect(stdout).toBe('0\n')
})
