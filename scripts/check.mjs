/**
 * `npm run check`: format and lint, types, the rules of the house, and the package as it would be published. The pieces
 * run side by side; the first thing to say is what failed.
 */

import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { ensureBuilt, root, say } from './prepare.mjs'

/** The core's entry, minified and gzipped, in bytes. */
const CORE_LIMIT = 10.75 * 1024

ensureBuilt()
const bin = (name) => join(root, 'node_modules', '.bin', name)
const packed = join(root, '.tmp', 'packed')

const results = await Promise.all([
  command('format and lint', bin('biome'), ['check', '.']),
  command('types', bin('tsc'), ['-p', 'tsconfig.json']),
  command('house rules', process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', 'test/house.test.ts']),
  packageChecks(),
  size(),
])
const failed = results.flat().filter(({ ok }) => !ok)
for (const { name, output } of failed) say(`\n--- ${name} failed ---\n${output}`)
for (const { name, ok, note } of results.flat()) say(`${ok ? 'ok    ' : 'FAILED'} ${name}${note ? `: ${note}` : ''}`)
process.exit(failed.length > 0 ? 1 : 0)

/** What users get is the tarball, so that is what is judged. */
async function packageChecks() {
  rmSync(packed, { recursive: true, force: true })
  mkdirSync(packed, { recursive: true })
  const pack = await command('npm pack', 'npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', packed])
  if (!pack.ok) return [pack]
  const tarball = join(packed, pack.output.trim().split('\n').at(-1))
  return [
    pack,
    await command('publint', bin('publint'), ['run', tarball, '--strict']),
    // ESM only, and on purpose: who requires it gets Node's own require of modules.
    await command('are the types wrong', bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji', '--no-color']),
  ]
}

async function size() {
  const { build } = await import('esbuild')
  const entry = join(root, 'dist', 'index.js')
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    write: false,
  })
  const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length
  const note = `${bytes} bytes of at most ${CORE_LIMIT}`
  return { name: 'size of the core', ok: bytes <= CORE_LIMIT, output: note, note }
}

function command(name, file, args) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (chunk) => {
      output += chunk
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', (error) => resolve({ name, ok: false, output: error.message }))
    child.on('close', (code) => resolve({ name, ok: code === 0, output }))
  })
}
