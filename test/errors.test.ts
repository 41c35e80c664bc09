/** What is told of errors: never a secret, whoever put it there, and enough to know what went wrong. */

import { describe, expect, test, vi } from 'vitest'
import { maskSecrets } from '../src/errors.ts'
import { Candidate, type CandidateOptions, type Logger, TenureError } from '../src/index.ts'
import { memory } from '../src/stores/memory.ts'
import { ManualClock } from '../src/testing/index.ts'

describe('secrets are masked', () => {
  const texts: readonly (readonly [string, string])[] = [
    ['connect to postgres://ann:s3cret@host:5432/db failed', 'connect to postgres://ann:***@host:5432/db failed'],
    ['redis://:s3cret@host', 'redis://:***@host'],
    ['postgres://ann:s3@cret@host/db', 'postgres://ann:***@host/db'],
    ['postgres://ann:s3/cret@host/db', 'postgres://ann:***@host/db'],
    ['redis://:s3cret@h1,redis://:cret@h2', 'redis://:***@h1,redis://:***@h2'],
    ['postgres://host/db?user=ann&password=s3cret&ssl=1', 'postgres://host/db?user=ann&password=***&ssl=1'],
    ['host=h PGPASSWORD=s3cret dbname=d', 'host=h PGPASSWORD=*** dbname=d'],
    ["host=h password='s3 cret' dbname=d", 'host=h password=*** dbname=d'],
    ['{"user":"ann","password":"s3 cret"}', '{"user":"ann","password":***}'],
    ["{ username: 'ann', password: 's3cret' }", "{ username: 'ann', password: *** }"],
    ['https://h/x?access_token=s3cret&api-key=s3cret', 'https://h/x?access_token=***&api-key=***'],
    ['authorization: Bearer s3cret', 'authorization: Bearer ***'],
  ]
  test.each(texts)('%s', (text, masked) => {
    expect(maskSecrets(text)).toBe(masked)
    expect(maskSecrets(masked)).toBe(masked)
  })

  test.each([
    'postgres://host:5432/db',
    'wrong password: see docs/stores/postgres.md',
    'a lease with token 12 and 0 ms left',
    'TENURE_FENCING_TOKEN=12 fencingToken=12',
    'https://host/a@b',
  ])('and nothing else: %s', (text) => expect(maskSecrets(text)).toBe(text))
})

describe('a text without end', () => {
  test('is cut between words, so that masking is quick and no secret is cut in two', () => {
    const text = `the query failed: ${'ab'.repeat(50_000)} postgres://ann:s3cret@host`
    expect(maskSecrets(text)).toBe('the query failed: ...')
    const urls = 'redis://ann:s3cret@host '.repeat(1000)
    expect(maskSecrets(urls)).not.toContain('s3cret')
    expect(maskSecrets(urls).length).toBeLessThanOrEqual(4100)
  })
})

/** What some throw: without words, or with a message that is no text. */
const odd = [Object.create(null), Object.assign(new Error(), { message: { code: 42 } }), Symbol('odd'), undefined]

describe.each(odd.map((thrown, i) => [i, thrown] as const))('something odd is thrown (%i)', (_, thrown) => {
  test('by a listener and by the work: reported, and the candidate goes on', async () => {
    const clock = new ManualClock()
    const codes: string[] = []
    let works = 0
    const work = () => {
      works += 1
      throw thrown
    }
    const a = new Candidate({ election: 'e', store: memory({ clock }), clock, ttlMs: 3000, work })
    a.on('trouble', ({ code }) => codes.push(code))
    a.on('elected', () => {
      throw thrown
    })
    await a.start()
    await clock.advance(20_000)
    expect(codes).toContain('listener-failed')
    expect(codes).toContain('work-failed')
    expect(works).toBeGreaterThan(1)
    await a.stop()
  })

  test('by a store: it counts as unreachable', async () => {
    const clock = new ManualClock()
    const store = { ...memory({ clock }), acquire: () => Promise.reject(thrown) }
    const a = new Candidate({ election: 'e', store, clock, ttlMs: 3000 })
    const codes: string[] = []
    a.on('trouble', ({ code }) => codes.push(code))
    await a.start()
    expect(codes).toEqual(['store-unreachable'])
    await a.stop()
  })
})

/** Everything that comes out, in one text. */
function listen() {
  const said: unknown[] = []
  const say = (message: string, fields?: Record<string, unknown>) => void said.push(message, fields)
  const logger: Logger = { debug: say, info: say, warn: say, error: say }
  return { logger, text: () => JSON.stringify(said) }
}

async function fails(thrown: unknown, over: Partial<CandidateOptions>) {
  const clock = new ManualClock()
  const store = { ...memory({ clock }), acquire: () => Promise.reject(thrown) }
  const candidate = new Candidate({ election: 'e', id: 'postgres://ann:s3cret@host', store, clock, ...over })
  await candidate.start()
  await candidate.stop()
}

test('a store of anybody may say anything: its errors reach neither log nor listeners with a secret', async () => {
  for (const thrown of [
    new Error('postgres://ann:s3cret@host/db'),
    new TenureError('store-unreachable', 'password=s3cret'),
    'redis://:s3cret@host',
  ]) {
    const { logger, text } = listen()
    await fails(thrown, { logger })
    expect(text()).toContain('***')
    expect(text()).not.toContain('s3cret')
  }
  expect(new TenureError('store-denied', 'postgres://ann:s3cret@host/db').stack).not.toContain('s3cret')
})

test('the cause is what was thrown, as it is: whose error it is says what is in it', async () => {
  const clock = new ManualClock()
  const thrown = new Error('password=s3cret')
  const { logger, text } = listen()
  const work = () => Promise.reject(thrown)
  const candidate = new Candidate({ election: 'e', store: memory({ clock }), clock, logger, work })
  const told: TenureError[] = []
  candidate.on('trouble', (error) => told.push(error))
  await candidate.start()
  await clock.advance(0)
  await candidate.stop()
  expect(told).toMatchObject([{ code: 'work-failed', message: 'The work of `e` failed: password=***', cause: thrown }])
  expect(thrown.message).toBe('password=s3cret')
  expect(text()).not.toContain('s3cret')
})

test('nor do the warnings of the process', async () => {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  await fails(new TenureError('store-unreachable', 'password=s3cret'), {})
  expect(warnings.mock.calls[0]?.[0]).toBe('password=***')
  warnings.mockRestore()
})
