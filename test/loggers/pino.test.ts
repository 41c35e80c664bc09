/** Logging through the real pino: nothing lost, nothing secret, nothing flooded. */

import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Candidate, type CandidateOptions, TenureError } from '../../src/index.ts'
import { fromPino } from '../../src/loggers/pino.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { type Change, plant } from '../harness/plant.ts'

type Line = Readonly<Record<string, unknown>>

/** pino with a destination that can be read. */
function logs(level: 'debug' | 'info' = 'info') {
  const lines: Line[] = []
  const log = pino({ level, base: null, timestamp: false }, { write: (text: string) => void lines.push(JSON.parse(text)) })
  return { log, lines }
}

function standing(over: Partial<CandidateOptions>) {
  const clock = new ManualClock()
  const store = memory({ clock })
  const candidate = new Candidate({ election: 'e', id: 'ann', store, clock, ttlMs: 3000, renewMs: 1000, ...over })
  return { clock, store, candidate }
}

const down = (message: string) => ({ acquire: () => Promise.reject(new TenureError('store-unreachable', message)) })

test('message and fields both arrive, at their levels', () => {
  const { log, lines } = logs('debug')
  const logger = fromPino(log)
  logger.debug('a', { n: 1 })
  logger.info('b %s %d', { n: 2 })
  logger.warn('c')
  logger.error('d', { n: 4 })
  expect(lines).toEqual([
    { level: 20, n: 1, msg: 'a' },
    { level: 30, n: 2, msg: 'b %s %d' },
    { level: 40, msg: 'c' },
    { level: 50, n: 4, msg: 'd' },
  ])
})

test('one line for each change of leadership, renewals only at debug', async () => {
  const quiet = logs()
  const first = standing({ logger: fromPino(quiet.log) })
  await first.candidate.start()
  const token = first.candidate.tenure?.fencingToken
  await first.clock.advance(5000)
  await first.candidate.stop()
  const who = { level: 30, election: 'e', candidate: 'ann', fencingToken: token }
  expect(quiet.lines).toEqual([
    { ...who, msg: 'elected' },
    { ...who, why: 'stopped', msg: 'deposed' },
  ])

  const verbose = logs('debug')
  const second = standing({ logger: fromPino(verbose.log) })
  await second.candidate.start()
  await second.clock.advance(5000)
  await second.candidate.stop()
  expect(verbose.lines.filter(({ msg, level }) => msg === 'renewed' && level === 20).length).toBeGreaterThanOrEqual(4)
})

test('trouble that repeats is told once a minute, with the number of repeats; another kind at once', async () => {
  const { log, lines } = logs()
  let fails = () => Promise.reject<undefined>(new TenureError('store-unreachable', 'down'))
  const { clock, store, candidate } = standing({ logger: fromPino(log) })
  const failing = new Candidate({
    ...{ election: 'e', id: 'ann', clock, ttlMs: 3000, renewMs: 1000, logger: fromPino(log) },
    store: { ...store, acquire: () => fails() },
  })
  let troubles = 0
  failing.on('trouble', () => void troubles++)
  await failing.start()
  await clock.advance(59_000)
  expect(troubles).toBeGreaterThan(10)
  const trouble = { level: 40, election: 'e', candidate: 'ann', code: 'store-unreachable', msg: 'down' }
  expect(lines).toEqual([trouble])
  const untold = troubles - 1
  await clock.advance(6000)
  expect(lines).toHaveLength(2)
  expect(lines[1]).toMatchObject({ ...trouble, repeats: expect.any(Number) })
  expect(Number(lines[1]?.['repeats'])).toBeGreaterThanOrEqual(untold)
  fails = () => Promise.reject(new TenureError('store-denied', 'the password has changed'))
  await clock.advance(6000)
  expect(lines.slice(2)).toEqual([{ ...trouble, code: 'store-denied', msg: 'the password has changed' }])
  await failing.stop()
  await candidate.stop()
})

test('no secret is logged, be it in a message or in a field', async () => {
  const { log, lines } = logs()
  const clock = new ManualClock()
  const store = { ...memory({ clock }), ...down('postgres://ann:s3cret@host/db?password=s3cret') }
  const candidate = new Candidate({ election: 'e', id: 'https://ann:s3cret@host', store, clock, logger: fromPino(log) })
  await candidate.start()
  await candidate.stop()
  expect(lines).toEqual([
    {
      level: 40,
      election: 'e',
      candidate: 'https://ann:***@host',
      code: 'store-unreachable',
      msg: 'postgres://ann:***@host/db?password=***',
    },
  ])
})

test('what is no logger is refused', () => {
  expect(() => fromPino({} as never)).toThrow(/Expected `log` to be an object with the methods debug, info, warn, error/)
})

test('planted faults: fields and message swapped, fields forgotten', async () => {
  const file = 'src/loggers/pino.ts'
  const faults: readonly Change[] = [
    { file, find: 'log.info(fields, message)', replace: 'log.info(message as never, fields as never)' },
    { file, find: 'log.info(fields, message)', replace: 'log.info({}, message)' },
    { file, find: 'warn: (message, fields = {}) => log.warn', replace: 'warn: (message, fields = {}) => log.error' },
  ]
  for (const fault of faults) {
    const module = (await plant(file, [fault])) as { fromPino: typeof fromPino }
    const { log, lines } = logs()
    module.fromPino(log).info('b', { n: 2 })
    module.fromPino(log).warn('c')
    expect(lines).not.toEqual([
      { level: 30, n: 2, msg: 'b' },
      { level: 40, msg: 'c' },
    ])
  }
})
