import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../harness/server.ts'
import { type Instance, Site } from './failover-http.ts'

let site: Site
afterEach(() => site.close())

/** Two instances. */
async function open(ttlMs = 2000, more = {}): Promise<void> {
  site = new Site(ttlMs, more)
  await site.open(2)
}

/** While a client writes, do this to the primary. Resolves with it, and how long nobody served. */
async function lose(how: (primary: Instance) => void): Promise<{ readonly primary: Instance; readonly gapMs: number }> {
  const primary = await site.primary()
  for (const instance of site.instances) if (!instance.hasEnded) await site.ready(instance)
  site.write()
  await site.servedBy((port) => port === primary.port, 0)
  const at = performance.now()
  how(primary)
  const gapMs = (await site.servedBy((port) => port !== primary.port, at)) - at
  // Some more, so that what follows is seen as well.
  const { length } = site.acknowledged
  while (site.acknowledged.length < length + 20) await site.servedBy(() => true, performance.now())
  await site.rest()
  return { primary, gapMs }
}

async function expectNothingLost(): Promise<void> {
  const kept = await site.notes()
  expect(site.acknowledged.filter(({ id }) => !kept.has(id))).toEqual([])
  expect(site.acknowledged.length).toBeGreaterThan(20)
  const tokens = site.acknowledged.map(({ fencingToken }) => fencingToken)
  expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
}

test.each([[[]], [['notes']], [['notes', 'http']], [['notes', '8081', 'soon']]])(
  'the HTTP example, run with %j, says how it is used',
  async (args) => {
    await open()
    const usage = 'usage: node service.js <directory> <port> [ttl in ms]\n'
    expect(await site.ends(args)).toEqual({ code: 64, output: usage })
  },
)

describe('the HTTP example: no acknowledged write is lost', () => {
  test('when the primary is killed', async () => {
    await open(20_000)
    const { primary, gapMs } = await lose(({ process }) => process.kill('SIGKILL'))
    await expectNothingLost()
    // Felt, not waited for.
    expect(gapMs).toBeLessThan(10_000)
    expect(await site.primary()).not.toBe(primary)
  })

  test('when it is frozen, and when it is thawed', async () => {
    await open()
    const { primary, gapMs } = await lose(({ process }) => process.kill('SIGSTOP'))
    expect(gapMs).toBeGreaterThan(500)
    site.write()
    primary.process.kill('SIGCONT')
    const { length } = site.acknowledged
    while (site.acknowledged.length < length + 50) await site.servedBy(() => true, performance.now())
    await site.rest()
    await expectNothingLost()
    expect(await site.primary()).not.toBe(primary)
  })

  test('when it is shut down gracefully', async () => {
    // The store tells of the release as well, and may be heard before the word that is sent after it.
    await open(60_000, { deaf: true })
    const { primary } = await lose(({ process }) => process.kill('SIGTERM'))
    await primary.ended()
    expect(primary.process.exitCode).toBe(0)
    await expectNothingLost()
    const other = site.instances.find((instance) => instance !== primary)
    // What it has said may be read after what it has answered.
    await until('that is heard', () => expect(other?.output).toContain('(announced)'))
  })

  test('when all of it happens, again and again', { timeout: 90_000 }, async () => {
    await open()
    const signals = ['SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGSTOP', 'SIGTERM'] as const
    for (const signal of signals) {
      const { primary } = await lose(({ process }) => process.kill(signal))
      if (signal === 'SIGSTOP') primary.process.kill('SIGCONT')
      else await primary.ended()
      await site.add()
    }
    await expectNothingLost()
    // A note that was written twice, because its first writer was never answered, is one note.
    const lines = readFileSync(join(site.dir, 'notes.jsonl'), 'utf8').split('\n')
    expect(lines.length).toBeGreaterThan(site.acknowledged.length)
  })
})
