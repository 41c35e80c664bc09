import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { laws } from '../../src/testing/index.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const store = join('examples', 'own-store', 'store.js')

describe('a store of one’s own', () => {
  test('is about thirty lines long', () => {
    const code = readFileSync(join(root, store), 'utf8').replace(/\/\*\*[\s\S]*?\*\//, '')
    expect(code.trim().split('\n').length).toBeLessThan(40)
  })

  test('passes the published laws under node:test, as the package is built', async () => {
    const { code, output } = await node('--test', '--test-reporter=tap', join('examples', 'own-store', 'store.test.js'))
    expect(code, output).toBe(0)
    for (const { name } of laws) expect(output).toContain(` - ${name.replaceAll('#', '\\#')}`)
    expect(output).toMatch(/^# fail 0$/m)
    // What cannot be asked of it: no watch, no list, no memo, nobody who wipes or restarts it.
    expect(output).toMatch(/^# skipped 16$/m)
  })

  test('has the types of the package', async () => {
    const tsc = join('node_modules', 'typescript', 'bin', 'tsc')
    const strict = ['--ignoreConfig', '--noEmit', '--allowJs', '--checkJs', '--strict', '--module', 'nodenext', '--target', 'es2022']
    const files = [store, join('examples', 'own-store', 'store.test.js')]
    expect(await node(tsc, ...strict, '--types', 'node', ...files)).toEqual({ code: 0, output: '' })
  })

  test('serves a candidate', async () => {
    const script = `
      import { lead } from 'tenure'
      import { mapStore } from './${store.replaceAll('\\', '/')}'
      console.log(await lead('nightly', (tenure) => tenure.held, { store: mapStore() }))`
    expect(await node('--input-type=module', '--eval', script)).toEqual({ code: 0, output: 'true\n' })
  })
})

function node(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { cwd: root, env, timeout: 60_000 }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
    })
  })
}
