/** Events: A3, A4, A22, and trouble that is never silent. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test, vi } from 'vitest'
import { Candidate, type Leader, type LeaseStore, observe } from '../../src/index.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { Puppet } from './puppet.ts'

/** Twice, with a turn between: a weak reference holds what was made in the same turn. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let times = 0; times < 2; times++) {
    await new Promise((resolve) => setImmediate(resolve))
    gc()
  }
}

function world(over: object = {}) {
  const clock = new ManualClock()
  const store = new Puppet(clock)
  const a = new Candidate({ election: 'e', store, clock, ttlMs: 3000, ...over })
  return { clock, store, a }
}

describe('A3: listeners', () => {
  test('several run, each isolated from the errors of the others, thrown or rejected', async () => {
    const { clock, a } = world()
    const heard: string[] = []
    const troubles: string[] = []
    a.on('trouble', (error) => troubles.push(error.message))
    a.on('elected', () => {
      throw new Error('one')
    })
    a.on('elected', async () => Promise.reject(new Error('two')))
    a.on('elected', () => heard.push('three'))
    await a.start()
    await clock.settle()
    expect(heard).toEqual(['three'])
    expect(troubles).toEqual(['A listener of `elected` failed: one', 'A listener of `elected` failed: two'])
    expect(a.isLeader).toBe(true)
    await a.stop()
  })

  test('one added while leading is told at once; one taken away is not', async () => {
    const { a } = world()
    await a.start()
    const heard: string[] = []
    a.on('elected', (tenure) => heard.push(`elected ${tenure === a.tenure}`))
    a.on('leader', (leader) => heard.push(`leader ${leader?.isMe}`))
    a.on('elected', () => heard.push('never'))()
    expect(heard).toEqual([])
    await Promise.resolve()
    expect(heard).toEqual(['elected true', 'leader true'])
    await a.stop()
  })

  test('those of `elected` and `deposed` find `leader` to be what they are told', async () => {
    const { a } = world()
    const known: (boolean | undefined)[] = []
    a.on('elected', () => known.push(a.leader?.isMe))
    a.on('deposed', () => known.push(a.leader?.isMe))
    await a.start()
    await a.stop()
    expect(known).toEqual([true, undefined])
  })

  test('one added after stop() is told nothing', async () => {
    const clock = new ManualClock()
    const store = new Puppet(clock)
    const leader = new Candidate({ election: 'e', store, clock, ttlMs: 3000 })
    await leader.start()
    const a = new Candidate({ election: 'e', store, clock, ttlMs: 3000 })
    await a.start()
    await a.stop()
    const heard: unknown[] = []
    a.on('leader', (known) => heard.push(known))
    await clock.settle()
    expect(heard).toEqual([])
    await leader.stop()
  })

  test('a name that is no event, and what is no function, are refused at once', async () => {
    const { a } = world()
    // @ts-expect-error: no such event
    expect(() => a.on('electd', () => {})).toThrow(/Expected `event` to be one of elected, .*got "electd"/)
    // @ts-expect-error: no function
    expect(() => a.on('elected', 5)).toThrow(/Expected `listener` to be a function, got 5 \(number\)/)
    // @ts-expect-error: no such option
    await expect(a.stepDown({ cooldown: 5 })).rejects.toThrow(/Unknown option `cooldown`.*`cooldownMs`/)
  })

  test('one that is added and taken away twice is called, and gone, twice', async () => {
    const { a } = world()
    let calls = 0
    const listener = () => calls++
    const off = a.on('elected', listener)
    a.on('elected', listener)
    off()
    off()
    await a.start()
    expect(calls).toBe(1)
    await a.stop()
  })
})

describe('A4: trouble', () => {
  test('a thousand errors reach the listeners, and leave the loop alive', async () => {
    const { clock, store, a } = world()
    let troubles = 0
    a.on('trouble', () => {
      troubles += 1
      throw new Error('and the listener fails too')
    })
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    store.failing = () => new Error('down')
    await a.start()
    while (troubles < 1000) await clock.advance(60_000)
    store.failing = undefined
    await clock.advance(3100)
    expect(a.isLeader).toBe(true)
    await a.stop()
    expect(clock.pending).toBe(0)
    warnings.mockRestore()
  })

  test('a thousand errors that nobody listens to are not kept', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { clock, store, a } = world()
    const thrown: WeakRef<Error>[] = []
    store.failing = () => {
      const error = new Error(`down for the ${thrown.length}th time`)
      thrown.push(new WeakRef(error))
      return error
    }
    await a.start()
    while (thrown.length < 1000) await clock.advance(60_000)
    warnings.mockClear()
    await collectGarbage()
    // The last ones may still be at hand.
    expect(thrown.filter((each) => each.deref()).length).toBeLessThan(10)
    await a.stop()
    warnings.mockRestore()
  })

  test('without listener and logger it makes one process warning per code', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { clock, store, a } = world()
    store.failing = () => new Error('connect to postgres://ann:secret@host/db failed')
    await a.start()
    await clock.advance(60_000)
    expect(warnings.mock.calls).toEqual([
      ['puppet: acquire failed: connect to postgres://ann:***@host/db failed', { type: 'TenureWarning', code: 'store-unreachable' }],
    ])
    await a.stop()
    warnings.mockRestore()
  })

  test('with a logger it is logged once a minute, with the number of repeats; a logger that throws ends nothing', async () => {
    const lines: [string, Record<string, unknown> | undefined][] = []
    const log = (message: string, fields?: Record<string, unknown>) => {
      lines.push([message, fields])
      throw new Error('the disk is full')
    }
    const quiet = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const { clock, store, a } = world({ logger: { debug: () => {}, info: () => {}, warn: log, error: log } })
    store.failing = () => new Error('down')
    await a.start()
    await clock.advance(125_000)
    expect(lines).toHaveLength(3)
    expect(lines[1]?.[1]).toMatchObject({ code: 'store-unreachable', election: 'e', repeats: expect.any(Number) })
    store.failing = undefined
    await clock.advance(3100)
    expect(a.isLeader).toBe(true)
    await a.stop()
    quiet.mockRestore()
  })

  test('an answer that makes no sense is no answer', async () => {
    const { clock, store, a } = world()
    const troubles: string[] = []
    a.on('trouble', (error) => troubles.push(error.message))
    await a.start()
    store.inner.renew = async () => Number.NaN
    await clock.advance(10_000)
    expect(troubles[0]).toBe('puppet: renew answered granted NaN')
    expect(new Set(troubles).size).toBe(1)
    await a.stop()
  })
})

describe('A22: who leads', () => {
  test('every candidate hears of every new leader, itself included, and of none', async () => {
    const clock = new ManualClock()
    const store = new Puppet(clock)
    const make = (id: string) => new Candidate({ election: 'e', store, clock, ttlMs: 3000, id, advert: `http://${id}` })
    const [a, b] = [make('a'), make('b')]
    const heard: string[] = []
    b.on('leader', (leader) => heard.push(leader ? `${leader.candidate} ${leader.advert} ${leader.isMe}` : 'none'))
    await a.start()
    await b.start()
    await clock.advance(1500)
    expect(b.leader).toMatchObject({ candidate: 'a', isMe: false })
    expect(b.leader?.ageMs).toBeLessThanOrEqual(3000)
    await a.stop()
    await clock.advance(50)
    await b.stop()
    expect(heard).toEqual(['a http://a false', 'b http://b true', 'none'])
  })

  test('observe: the present state first, then each change; survives errors; ends with its signal', async () => {
    const clock = new ManualClock()
    const store = new Puppet(clock)
    const controller = new AbortController()
    const seen: (string | undefined)[] = []
    const troubles: string[] = []
    const options = { store, clock, signal: controller.signal, onTrouble: (error: Error) => troubles.push(error.message) }
    const done = (async () => {
      for await (const leader of observe('e', options)) seen.push(leader?.candidate)
    })()
    await clock.settle()
    expect(seen).toEqual([undefined])
    const a = new Candidate({ election: 'e', store: store.inner, clock, ttlMs: 3000, id: 'a' })
    await a.start()
    await clock.advance(100)
    expect(seen).toEqual([undefined, 'a'])
    store.failing = () => new Error('down')
    await clock.advance(60_000)
    expect(troubles.length).toBeGreaterThan(1)
    store.failing = undefined
    await clock.advance(30_000)
    await a.stop()
    await clock.advance(20_000)
    expect(seen).toEqual([undefined, 'a', undefined])
    controller.abort()
    await done
    expect(clock.pending).toBe(0)
  })

  test('A22: observe with its defaults, where the watch tells of releases only: a handover at once, a first election in a second', async () => {
    const clock = new ManualClock()
    const inner = memory({ clock })
    const listeners = new Set<() => void>()
    const store: LeaseStore = {
      ...inner,
      async release(hold, signal) {
        await inner.release(hold, signal)
        for (const changed of listeners) changed()
      },
      watch: (_, changed, signal) =>
        new Promise((resolve) => {
          listeners.add(changed)
          changed()
          signal.addEventListener('abort', () => resolve())
        }),
    }
    const never = new AbortController().signal
    const bid = (holder: string) => ({ election: 'e', holder, candidate: holder, ttlMs: 60_000 })
    const seen: (string | undefined)[] = []
    const iterator = observe('e', { store, clock })
    const done = (async () => {
      for await (const leader of iterator) seen.push(leader?.candidate)
    })()
    await clock.advance(60_000)
    await inner.acquire(bid('first'), never)
    await clock.advance(1000)
    expect(seen).toEqual([undefined, 'first'])
    await clock.advance(7000)
    await store.release(bid('first'), never)
    await clock.advance(15)
    await inner.acquire(bid('second'), never)
    await clock.advance(50)
    expect(seen).toEqual([undefined, 'first', undefined, 'second'])
    await iterator.return?.(undefined)
    await done
    expect(clock.pending).toBe(0)
  })

  test('observe notices a lease that runs out in silence, gives up a hung look, and can be left', async () => {
    const clock = new ManualClock()
    const store = new Puppet(clock)
    const signal = new AbortController().signal
    await store.inner.acquire({ election: 'e', holder: 'h', candidate: 'dead', ttlMs: 3000 }, signal)
    const seen: (Leader | undefined)[] = []
    const troubles: string[] = []
    const iterator = observe('e', { store, clock, onTrouble: (error) => troubles.push(error.message) })
    const next = async () => seen.push((await iterator.next()).value ?? undefined)
    await next()
    expect(seen[0]?.candidate).toBe('dead')
    const second = next()
    await clock.advance(3010)
    await second
    expect(seen[1]).toBeUndefined()
    store.hold('read')
    void next()
    await clock.advance(60_000)
    expect(troubles[0]).toBe('puppet: read of `e` was not answered within 2500 ms')
    store.hold()
    await store.inner.acquire({ election: 'e', holder: 'i', candidate: 'new', ttlMs: 30_000 }, signal)
    await clock.advance(20_000)
    expect(seen[2]?.candidate).toBe('new')
    await iterator.return?.(undefined)
    expect(clock.pending).toBe(0)
  })

  test('observe can be left while it waits, and nothing is left', async () => {
    const clock = new ManualClock()
    const iterator = observe('e', { store: new Puppet(clock), clock })
    await iterator.next()
    const waiting = iterator.next()
    await clock.settle()
    expect(await iterator.return?.(undefined)).toEqual({ done: true, value: undefined })
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(clock.pending).toBe(0)
  })

  test('what is thrown into the iteration is no trouble of the store', async () => {
    const clock = new ManualClock()
    const troubles: Error[] = []
    const iterator = observe('e', { store: new Puppet(clock), clock, onTrouble: (error) => troubles.push(error) })
    await iterator.next()
    await expect(iterator.throw?.(new Error('mine'))).rejects.toThrow('mine')
    expect(troubles).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('observe with a pause longer than any timer does not ask in a circle', async () => {
    const store = new Puppet(new ManualClock())
    const lease = { election: 'e', holder: 'h', candidate: 'c', ttlMs: 9_000_000_000 }
    await store.inner.acquire(lease, new AbortController().signal)
    const iterator = observe('e', { store, retryMs: 6_000_000_000 })
    await iterator.next()
    const waiting = iterator.next()
    // A timer that is too long fires in the next millisecond: long enough for dozens.
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(store.counts.read).toBeLessThan(5)
    await iterator.return?.(undefined)
    await waiting
  })

  test('observe refuses bad options at once, and a store that refuses to serve', async () => {
    const clock = new ManualClock()
    const store = new Puppet(clock)
    expect(() => observe('', { store })).toThrow(/`election`/)
    expect(() => observe('e', { store, retryMs: 0 })).toThrow(/`retryMs`.*got 0/)
    // @ts-expect-error: no such option
    expect(() => observe('e', { store, retry: 5 })).toThrow(/Unknown option `retry`.*`retryMs`/)
    const { TenureError } = await import('../../src/index.ts')
    store.failing = () => new TenureError('store-unfit', 'no table')
    await expect(observe('e', { store, clock }).next()).rejects.toMatchObject({ code: 'store-unfit' })
  })
})
