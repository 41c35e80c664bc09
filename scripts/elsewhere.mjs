/**
 * The core on the other runtimes that are supported: the tests of the core and the laws on later Nodes, and a plain script,
 * with no test runner, on Bun and on Deno. The runtimes come as packages into `.ci/nodes`, apart from the dependencies.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { ensureBuilt, fail, root, say } from './prepare.mjs'

if (platform() !== 'linux') fail('the other runtimes are fetched for Linux alone; elsewhere run the tests under the one at hand')
ensureBuilt()
const place = join(root, '.ci', 'nodes')
const nodes = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' }
const bunVersion = '1.4.5'
const denoVersion = '2.9.6'
const tests = [
  'test/candidate',
  'test/election/schedules.test.ts',
  'test/options.test.ts',
  'test/timing.test.ts',
  'test/testing',
  'test/stores/memory.test.ts',
  'test/stores/file.test.ts',
]

install()
const script = await bundle()
const failed = []
for (const major of Object.keys(nodes)) {
  const node = join(place, 'node_modules', `node${major}`, 'bin', 'node')
  attempt(`Node ${major}`, node, [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    ...tests.filter((path) => existsSync(join(root, path))),
  ])
}
attempt('Bun', binary('bun'), [script])
attempt('Deno', binary('deno'), ['run', '--no-prompt', script])
if (failed.length > 0) fail(`Failed on: ${failed.join(', ')}`)
say(`The core works on Node ${Object.keys(nodes).join(', ')}, Bun and Deno.`)

function install() {
  const cpu = arch() === 'arm64' ? 'arm64' : 'x64'
  const bun = `@oven/bun-linux-${cpu === 'arm64' ? 'aarch64' : 'x64-baseline'}`
  const deno = `@deno/linux-${cpu}-glibc`
  const wanted = [
    ...Object.entries(nodes).map(([major, version]) => `node${major}@npm:node-linux-${cpu}@${version}`),
    `bun@npm:${bun}@${bunVersion}`,
    `deno@npm:${deno}@${denoVersion}`,
  ]
  const note = join(place, 'wanted')
  if (existsSync(note) && readFileSync(note, 'utf8') === wanted.join('\n')) return
  say('Fetching the other runtimes (about half a minute) ...')
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'package.json'), '{ "private": true }\n')
  const args = ['install', '--prefix', place, '--no-audit', '--no-fund', '--no-save', '--ignore-scripts', '--loglevel=error', ...wanted]
  for (let tries = 1; ; tries++) {
    const { status } = spawnSync('npm', args, { cwd: place, stdio: ['ignore', 'ignore', 'inherit'] })
    if (status === 0) break
    if (tries === 3) fail('... which did not succeed')
    say('... which did not succeed; once more')
  }
  writeFileSync(note, wanted.join('\n'))
}

/** Packages of single binaries keep them in `bin/` or beside their package.json. */
function binary(name) {
  const folder = join(place, 'node_modules', name)
  return [join(folder, 'bin', name), join(folder, name)].find((path) => existsSync(path)) ?? fail(`${name} has no binary in its package`)
}

async function bundle() {
  const outfile = join(root, '.tmp', 'elsewhere.mjs')
  await build({
    entryPoints: [join(root, 'test', 'elsewhere.ts')],
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    outfile,
    logLevel: 'error',
  })
  return outfile
}

function attempt(name, command, args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  say(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`)
  if (status === 0) return
  failed.push(name)
  say(`${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`.slice(-8000))
}
