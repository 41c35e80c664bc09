/** What a run takes of the temporary directory is given back, however it ends. */

import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { currentRun } from './run.ts'
import { until } from './server.ts'
import { findServer } from './servers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

/** The temporary directory of what is run here. */
let folder = ''
/** A file, once what is run here has been seen to serve: until then it goes on. */
let seen = ''
beforeEach(() => {
  seen = join(mkdtempSync(join(currentRun().project, 'seen-')), 'seen')
  folder = mkdtempSync(join(currentRun().temporary, 'empty-'))
  // Postgres runs as somebody else.
  chmodSync(folder, 0o711)
})

const left = () => readdirSync(folder)
/** Below the project: its name is that of the one in the temporary directory. */
const places = (run: string) => [join(folder, run), join(root, '.tmp', run)]
/** A server runs, so that its directory and the one that it was copied from are there. */
const serving = () =>
  until('a server serves', () => {
    const [run = ''] = left()
    return readdirSync(join(folder, run)).some((name) => existsSync(join(folder, run, name, 'data', 'postmaster.pid')))
  })

function start(args: readonly string[], extra: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<string> } {
  const env = { ...process.env, TMPDIR: folder, TENURE_TEST_SEEN: seen, ...extra }
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = new Promise<string>((resolve) => {
    child.once('close', (code, signal) => resolve(code === 0 ? 'well' : `${code ?? signal}: ${said}`))
  })
  return { child, ended }
}

/** Those whose environment says that they belong to a run. */
function processesOf(run: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`TENURE_TEST_RUN=${join(folder, run)}\0`)
    } catch {
      return false
    }
  })
}

/** As a benchmark is: a module of its own below the project, and no part of a run. */
async function program(name: string, contents: string) {
  const outfile = join(currentRun().project, `${name}.mjs`)
  const stdin = { contents, resolveDir: fileURLToPath(new URL('.', import.meta.url)) }
  await build({ stdin, bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external', outfile })
  return start([outfile], { TENURE_TEST_RUN: undefined })
}

describe.skipIf(!findServer('postgres'))('nothing is left', () => {
  const tests = [vitest, 'run', 'test/harness/servers.test.ts', '-t', 'postgres']

  test('by a run of tests', async () => {
    const { ended } = start(tests)
    await serving()
    expect(left()).toHaveLength(1)
    writeFileSync(seen, '')
    expect(await ended).toBe('well')
    // At once, or, where somebody was still writing there, when that one has been ended.
    await until('all is gone', () => left().length === 0)
  })

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)('by one that gets a %s', async (signal) => {
    const { child, ended } = start(tests)
    await serving()
    const [run = ''] = left()
    for (const place of places(run)) expect(existsSync(place)).toBe(true)
    child.kill(signal)
    // One that ends in peace waits for its tests.
    writeFileSync(seen, '')
    await ended
    for (const place of places(run)) await until(`${basename(place)} is gone`, () => !existsSync(place))
    await until('all is gone', () => left().length === 0)
    if (process.platform === 'linux') await until('its processes have ended', () => processesOf(run).length === 0)
  })

  const serves = `import { seen } from './seen.ts'
    import { startPostgres } from './servers.ts'
    const alive = setInterval(() => {}, 1000)
    const server = await startPostgres()
  `

  test('by a benchmark', async () => {
    const { ended } = await program(
      'ends',
      `${serves} await seen()
      await server.close()
      clearInterval(alive)`,
    )
    await serving()
    writeFileSync(seen, '')
    expect(await ended).toBe('well')
    await until('all is gone', () => left().length === 0)
  })

  test('by a benchmark that is killed', async () => {
    const { child } = await program('goes-on', serves)
    await serving()
    child.kill('SIGKILL')
    await until('all is gone', () => left().length === 0)
  })
})

test.skipIf(process.platform !== 'linux')('what a killed run had started is ended, in whatever session it is', async () => {
  const { child } = await program(
    'starts',
    `import { spawn } from 'node:child_process'
     import { beginRun } from './run.ts'
     beginRun()
     spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })`,
  )
  await until('it has started', () => processesOf(left()[0] ?? 'none').length === 1)
  const [run = ''] = left()
  child.kill('SIGKILL')
  await until('it has ended', () => processesOf(run).length === 0)
  await until('all is gone', () => left().length === 0)
})

test('a process of a run uses the folders of that run', () => {
  expect(currentRun().temporary).toBe(process.env['TMPDIR'])
  for (const place of Object.values(currentRun())) mkdirSync(join(place, 'mine'), { recursive: true })
  expect(basename(currentRun().project)).toBe(basename(currentRun().temporary))
})
