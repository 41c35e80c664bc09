import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest'
import { type Logger, TenureError } from '../../src/index.ts'
import { runOnce } from '../../src/once.ts'
import type { LeaseStore, Memo } from '../../src/store.ts'
import { memory } from '../../src/stores/memory.ts'
import { flaky, ManualClock } from '../../src/testing/index.ts'
import type { RunOnce } from './lab.ts'
import { rejection, scenarios } from './scenarios.ts'

const real: RunOnce = runOnce

describe('runOnce', () => {
  for (const { name, plays } of scenarios) test(name, () => plays(real))

  test('says what the work returned where it ran, and that it ran elsewhere', async () => {
    const store = memory()
    expect(await runOnce('x', () => 42, { store, version: 1 })).toEqual({ ran: true, value: 42 })
    expect(await runOnce('x', () => 43, { store, version: 1 })).toEqual({ ran: false })
    expect(await runOnce('x', () => 44, { store, version: '1' })).toEqual({ ran: false })
  })

  test('without a version a call that comes later runs the work again', async () => {
    const store = memory()
    expect(await runOnce('x', () => 1, { store })).toEqual({ ran: true, value: 1 })
    expect(await runOnce('x', () => 2, { store })).toEqual({ ran: true, value: 2 })
  })

  test('remembers thirty versions', async () => {
    const store = memory()
    const version = (i: number) => `"${i}"`.padEnd(64, '\\')
    for (let i = 0; i < 31; i++) await runOnce('x', () => i, { store, version: version(i) })
    expect(await runOnce('x', () => 'again', { store, version: version(1) })).toEqual({ ran: false })
    expect(await runOnce('x', () => 'again', { store, version: version(0) })).toEqual({ ran: true, value: 'again' })
  })

  test('the tenure that it runs in is that of the election', async () => {
    const store = memory()
    await runOnce(
      'x',
      async (tenure) => {
        expect(tenure).toMatchObject({ election: 'x', candidate: 'me', held: true })
        expect(await store.read('x', new AbortController().signal)).toMatchObject({ fencingToken: tenure.fencingToken, advert: 'here' })
      },
      { store, id: 'me', advert: 'here' },
    )
  })
})

describe('what is refused', () => {
  const store = memory()
  const work = () => {}

  test.each<[string, Parameters<typeof runOnce>, RegExp]>([
    ['no work', ['x', undefined as never, { store }], /^Expected `work` to be a function, got null/],
    ['no store', ['x', work, {} as never], /^Expected `store` to be/],
    [
      'a store without a memo',
      ['x', work, { store: forgetful(store) }],
      /^Expected `store` to be one that can remember what was done \(it has a `memo`\), got "memory"/,
    ],
    [
      'a version, of a store without a memo',
      ['x', work, { store: forgetful(store), version: 7 }],
      /one that can remember that version 7 was done/,
    ],
    ['an empty version', ['x', work, { store, version: '' }], /^Expected `version` to be a number, or a string of 1 to 64/],
    ['a long version', ['x', work, { store, version: 'v'.repeat(65) }], /^Expected `version`/],
    ['a version that is no number', ['x', work, { store, version: Number.NaN }], /^Expected `version`/],
    [
      'a wait that is none',
      ['x', work, { store, waitMs: 0 }],
      /^Expected `waitMs` to be a whole number of milliseconds, at least 1 \(not to wait for others, what the store needs to answer, e.g. 1000\), got 0/,
    ],
    [
      'an option that nobody knows',
      ['x', work, { store, versoin: 7 } as never],
      /^Unknown option `versoin`.*expected one of store, .*, onTrouble, version, waitMs$/,
    ],
    ['another election', ['x', work, { store, election: 'y' } as never], /^Unknown option `election`/],
    ['other work', ['x', work, { store, work() {} } as never], /^Unknown option `work`/],
    ['a name that is none', ['', work, { store }], /^Expected `election`/],
  ])('%s', async (_what, args, message) => {
    const error = await rejection(runOnce(...args))
    expect(error).toMatchObject({ code: 'bad-option', message: expect.stringMatching(message) })
  })

  test('a memo that somebody else wrote is left alone', async () => {
    const signal = new AbortController().signal
    for (const text of ['', 'mine', '{"once":2,"run":1,"versions":[]}', '{"once":1,"run":"1","versions":[]}', '[]', 'null']) {
      const store = memory()
      const lease = await store.acquire({ election: 'x', holder: 'h', candidate: 'c', ttlMs: 1000 }, signal)
      await store.memo?.write({ election: 'x', fencingToken: lease?.fencingToken ?? 0 }, text, signal)
      expect(await rejection(runOnce('x', work, { store }))).toMatchObject({
        code: 'store-unfit',
        message: expect.stringContaining('`x` was not written by'),
      })
      expect(await store.memo?.read('x', signal)).toBe(text)
    }
  })

  test('a store that refuses to tell, and one that refuses to note', async () => {
    const denied = async () => {
      throw new TenureError('store-denied', 'memory: no rights')
    }
    let runs = 0
    const count = () => void runs++
    expect(await rejection(runOnce('x', count, { store: withMemo(memory(), { read: denied }) }))).toMatchObject({ code: 'store-denied' })
    expect(await rejection(runOnce('x', count, { store: withMemo(memory(), { write: denied }) }))).toMatchObject({ code: 'store-denied' })
    expect(runs).toBe(0)
  })
})

describe('what the work throws', () => {
  const boom = () => {
    throw new Error('boom')
  }
  let warnings: MockInstance<typeof process.emitWarning>
  beforeEach(() => {
    warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  })
  afterEach(() => warnings.mockRestore())

  test('is told by the rejection, and by no warning', async () => {
    expect(await rejection(runOnce('x', boom, { store: memory() }))).toMatchObject({ message: 'boom' })
    expect(warnings).not.toHaveBeenCalled()
  })

  test('is heard by who listens, and by a logger, once each', async () => {
    const told: string[] = []
    const say = (message: string) => void told.push(message)
    const logger: Logger = { debug() {}, info() {}, warn: say, error: say }
    await rejection(runOnce('x', boom, { store: memory(), onTrouble: ({ message }) => say(message) }))
    expect(told.splice(0)).toEqual(['The work of `x` failed: boom'])
    await rejection(runOnce('x', boom, { store: memory(), logger }))
    expect(told.splice(0)).toEqual(['The work of `x` failed: boom'])
    await rejection(runOnce('x', boom, { store: memory(), logger, onTrouble: ({ message }) => say(message) }))
    expect(told).toHaveLength(2)
    expect(warnings).not.toHaveBeenCalled()
  })

  test('any other trouble that nobody listens to is warned of, once', async () => {
    const clock = new ManualClock()
    const store = flaky(memory({ clock }), { clock })
    for (const verb of ['memo.read', 'acquire', 'acquire'] as const) store.next('refused', verb)
    await settled(
      clock,
      runOnce('x', () => 1, { store, clock }),
    )
    expect(warnings.mock.calls).toEqual([[expect.any(String), { type: 'TenureWarning', code: 'store-unreachable' }]])
  })
})

describe('on a bad network', () => {
  const clock = new ManualClock()
  afterEach(() => clock.advance(0))

  test('the end of a run that could not be noted at once is noted later', async () => {
    const store = flaky(memory({ clock }), { clock })
    const told: string[] = []
    const done = runOnce('x', () => store.next('refused', 'memo.write'), {
      store,
      clock,
      version: 1,
      onTrouble: ({ message }) => told.push(message),
    })
    await settled(clock, done)
    expect(await done).toMatchObject({ ran: true })
    expect(told).toEqual(['memory: memo.write was refused'])
    expect(
      await settled(
        clock,
        runOnce('x', () => 'again', { store, clock, version: 1 }),
      ),
    ).toEqual({ ran: false })
  })

  test('a note whose answer was lost, and one that came twice, count once', async () => {
    for (const fault of ['reset', 'answer-lost', 'doubled', 'request-lost', 'hung'] as const) {
      const store = flaky(memory({ clock }), { clock })
      let runs = 0
      const work = () => {
        runs += 1
        store.next(fault, 'memo.write')
      }
      expect(await settled(clock, runOnce('x', work, { store, clock, version: 1, onTrouble: () => {} }))).toMatchObject({ ran: true })
      expect(await settled(clock, runOnce('x', work, { store, clock, version: 1 }))).toEqual({ ran: false })
      expect(runs).toBe(1)
    }
  })

  test('a store that is down is waited for, and a first look is repeated', async () => {
    const store = flaky(memory({ clock }), { clock })
    store.down()
    const told: string[] = []
    const done = runOnce('x', () => 'run', { store, clock, onTrouble: ({ code }) => told.push(code) })
    await clock.advance(60_000)
    store.heal()
    expect(await settled(clock, done)).toEqual({ ran: true, value: 'run' })
    expect(new Set(told)).toEqual(new Set(['store-unreachable']))
  })

  test('who waits asks again where it could not be told', async () => {
    const shared = memory({ clock })
    const [a, b] = [flaky(shared, { clock }), flaky(shared, { clock })]
    const controller = new AbortController()
    const ended = new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve()))
    const first = runOnce('x', () => ended, { store: a, clock })
    await clock.advance(100)
    const second = runOnce('x', () => 'never', { store: b, clock, onTrouble: () => {} })
    await clock.advance(1)
    for (let i = 0; i < 3; i++) b.next('request-lost', 'memo.read')
    // A third takes over in between, so that the second has to ask, rather than be elected.
    const third = runOnce('x', () => 'neither', { store: flaky(shared, { clock }), clock })
    await clock.advance(1)
    controller.abort()
    expect(await settled(clock, Promise.all([first, second, third]))).toEqual([
      { ran: true, value: undefined },
      { ran: false },
      { ran: false },
    ])
  })

  test('who waits for longer than a timer can, does', async () => {
    const own = new ManualClock()
    const store = memory({ clock: own })
    const days = 24 * 60 * 60 * 1000
    const options = { store, clock: own, ttlMs: 10 * days, onTrouble: () => {} }
    const controller = new AbortController()
    const running = rejection(runOnce('x', (tenure) => tenure.sleep(100 * days), { ...options, signal: controller.signal }))
    await own.advance(1)
    let told: unknown
    const waiting = runOnce('x', () => 1, { ...options, waitMs: 30 * days }).catch((thrown: unknown) => {
      told = thrown
    })
    await own.advance(29.9 * days)
    expect(told).toBeUndefined()
    await own.advance(0.2 * days)
    await settled(own, waiting)
    expect(told).toMatchObject({ message: expect.stringContaining(`within ${30 * days} ms`) })
    controller.abort()
    await settled(own, running)
  })

  test('nothing is left behind', async () => {
    const own = new ManualClock()
    const store = flaky(memory({ clock: own }), { clock: own })
    await settled(
      own,
      runOnce('x', () => 1, { store, clock: own, version: 1, waitMs: 60_000 }),
    )
    await settled(
      own,
      runOnce('x', () => 1, { store, clock: own, version: 1, waitMs: 60_000 }),
    )
    store.down()
    const controller = new AbortController()
    const aborted = rejection(runOnce('x', () => 1, { store, clock: own, signal: controller.signal, onTrouble: () => {} }))
    await own.advance(10)
    controller.abort(new Error('enough'))
    expect(await settled(own, aborted)).toMatchObject({ message: 'enough' })
    await own.advance(0)
    expect(own.pending).toBe(0)
  })
})

function forgetful(store: LeaseStore): LeaseStore {
  return { ...store, memo: undefined }
}

function withMemo(store: LeaseStore, fault: Partial<Memo>): LeaseStore {
  if (!store.memo) throw new Error('no memo')
  return { ...store, memo: { ...store.memo, ...fault } }
}

/** Let time pass until it has settled. */
async function settled<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let over = false
  const end = () => {
    over = true
  }
  promise.then(end, end)
  for (let i = 0; i < 20_000 && !over; i++) await clock.advance(10)
  return promise
}
