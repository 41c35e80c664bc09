/** A15: a quiet logger by default. */

import { afterEach, expect, test, vi } from 'vitest'
import { Candidate, lead, observe } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'

afterEach(() => void vi.restoreAllMocks())

test('A15: elected, renewed, handed over, stopped, watched: not a word, unless a logger was given', async () => {
  const said: string[] = []
  const hear = (what: string) => () => {
    said.push(what)
    return true
  }
  for (const verb of ['log', 'info', 'warn', 'error', 'debug'] as const) vi.spyOn(console, verb).mockImplementation(hear(`console.${verb}`))
  vi.spyOn(process, 'emitWarning').mockImplementation(hear('warning'))
  vi.spyOn(process.stdout, 'write').mockImplementation(hear('stdout'))
  vi.spyOn(process.stderr, 'write').mockImplementation(hear('stderr'))

  const clock = new ManualClock()
  const store = memory({ clock })
  const [a, b] = [0, 1].map(() => new Candidate({ election: 'e', store, clock, work: (tenure) => tenure.sleep(60_000) }))
  const watching = observe('e', { store, clock })
  await a?.start()
  await b?.start()
  expect((await watching.next()).value).toMatchObject({ candidate: a?.id })
  await clock.advance(60_000)
  await a?.stepDown()
  await clock.advance(60_000)
  expect(b?.isLeader).toBe(true)
  await Promise.all([a?.stop(), b?.stop(), watching.return?.()])
  expect(await lead('f', () => 'done', { store, clock })).toBe('done')
  expect(said).toEqual([])

  const logged: string[] = []
  const logger = { debug: () => {}, info: () => {}, warn: (message: string) => void logged.push(message), error: () => {} }
  const failing = { ...store, acquire: () => Promise.reject(new Error('away')) }
  const c = new Candidate({ election: 'g', store: failing, clock, logger })
  await c.start()
  await c.stop()
  expect(logged.join()).toContain('away')
  expect(said).toEqual([])
})
