/** The recipes of docs/cron.md, docs/run-once.md and docs/gates.md, with the real schedulers and frameworks, in real processes. */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { freePort } from '../harness/server.ts'
import { bundle, bundles, Program } from './program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = bundles()

/** Some replicas of one program that share a store. */
async function replicas(example: string) {
  const path = await bundle(folder, `examples/${example}.ts`)
  const dir = mkdtempSync(join(tmpdir(), 'tenure-gates-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  return (port = 0) => new Program(path, { TENURE_DIR: dir, PORT: String(port) })
}

const reports = (lines: readonly string[]) => lines.filter((line) => line.startsWith('report '))

describe('a schedule on every replica', () => {
  test.each(['node-cron', 'croner', 'toad-scheduler'])('%s: the job runs on the leader alone, and then on the next', async (example) => {
    const replica = await replicas(`gates/${example}`)
    const first = replica()
    await first.until((lines) => reports(lines).length >= 1)
    const second = replica()
    await first.until((lines) => reports(lines).length >= 4)
    expect(reports(second.lines)).toEqual([])
    first.kill('SIGKILL')
    await second.until((lines) => reports(lines).length >= 2)
    second.kill('SIGTERM')
    expect(await second.exited).toBe(0)
  })

  test('runOnce: each run of the schedule comes once, whoever runs it', async () => {
    const replica = await replicas('gates/cron-once')
    const all = [replica(), replica(), replica()]
    const said = () => all.flatMap(({ lines }) => reports(lines))
    // Whoever says something looks at what all have said.
    const several = (some: readonly Program[], count: number) => Promise.any(some.map((one) => one.until(() => said().length >= count)))
    await several(all, 5)
    expect(new Set(said()).size).toBe(said().length)

    const [killed, ...others] = all
    killed?.kill('SIGKILL')
    await killed?.exited
    await several(others, said().length + 3)
    // Only what it was killed in the middle of was begun again.
    const twice = said().filter((line, index) => said().indexOf(line) !== index)
    expect(reports(killed?.lines ?? []).slice(-1)).toEqual(expect.arrayContaining(twice))
  })
})

test('a migration: of three that start at once one runs it, and nobody does later', async () => {
  const replica = await replicas('migrate')
  const all = [replica(), replica(), replica()]
  expect(await Promise.all(all.map(({ exited }) => exited))).toEqual([0, 0, 0])
  const steps = ['add a column', 'fill it', 'drop the old one']
  expect(all.map(({ lines }) => lines).sort()).toEqual([
    [...steps, 'migrated here'],
    ['migrated already, or elsewhere'],
    ['migrated already, or elsewhere'],
  ])
  const later = replica()
  expect(await later.exited).toBe(0)
  expect(later.lines).toEqual(['migrated already, or elsewhere'])
})

describe('a route on every replica', () => {
  test.each(['express', 'hono', 'fastify', 'nest/main'])('%s: only the leader serves it, the others say where it is', async (example) => {
    const replica = await replicas(`gates/${example}`)
    const [one, two] = [await freePort(), await freePort()]
    const listening = (lines: readonly string[]) => lines.includes('listening')
    const first = replica(one)
    await first.until(listening)
    const second = replica(two)
    await second.until(listening)
    const url = (port: number) => `http://127.0.0.1:${port}`
    const post = (port: number) => fetch(`${url(port)}/jobs`, { method: 'POST' })

    expect(await (await fetch(url(two))).text()).toBe('anybody')
    const served = await post(one)
    expect(served.ok).toBe(true)
    const { fencingToken } = (await served.json()) as { fencingToken: number }
    const refused = await post(two)
    expect(refused.status).toBe(503)
    expect(await refused.json()).toEqual({ error: 'not-leader', election: 'web', leader: expect.any(String), address: url(one) })
    if (!example.startsWith('nest')) expect(refused.headers.get('retry-after')).toBe('1')

    first.kill('SIGKILL')
    let later = await post(two)
    const until = Date.now() + 20_000
    while (later.status === 503 && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      later = await post(two)
    }
    expect(later.ok).toBe(true)
    expect(((await later.json()) as { fencingToken: number }).fencingToken).toBeGreaterThan(fencingToken)
  })

  test.each([
    ['express', 'SIGTERM'],
    ['hono', 'SIGINT'],
    ['fastify', 'SIGTERM'],
  ] as const)('%s: a leader that is told to end (%s) gives its lease back, and the process ends', async (example, signal) => {
    const replica = await replicas(`gates/${example}`)
    const first = replica(await freePort())
    await first.until((lines) => lines.includes('listening'))
    first.kill(signal)
    // A candidate that still stood would keep it alive.
    expect(await first.exited).toBe(0)
  })

  test('nest: a @Cron method runs on the leader alone, and the lease is given back at the end', async () => {
    const replica = await replicas('gates/nest/main')
    const first = replica(await freePort())
    await first.until((lines) => reports(lines).length >= 1)
    const second = replica(await freePort())
    await second.until((lines) => lines.includes('listening'))
    await first.until((lines) => reports(lines).length >= 4)
    expect(reports(second.lines)).toEqual([])
    first.kill('SIGTERM')
    await first.exited
    await second.until((lines) => reports(lines).length >= 1)
  })

  test('nest: the example has the types of the real framework', async () => {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const checked = promisify(execFile)(process.execPath, [tsc, '-p', join(root, 'examples', 'gates', 'nest')])
    expect(await checked.catch((error: { stdout: string }) => error)).toMatchObject({ stdout: '' })
  }, 60_000)
})
