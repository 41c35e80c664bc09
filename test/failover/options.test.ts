import { describe, expect, test } from 'vitest'
import { Failover, type FailoverOptions, inProcessBus, postgresBus, redisBus, unixSocketBus } from '../../src/failover.ts'
import { memory } from '../../src/stores/memory.ts'

const good: FailoverOptions = { election: 'orders', arbiter: memory(), bus: inProcessBus(), onPromote() {}, onDemote() {} }

describe('options are checked at construction', () => {
  test.each<[string, object]>([
    ['Expected `election` to be a string of 1 to 200 well-formed characters, not all of them blank, got "" (string)', { election: '' }],
    ['Expected `onPromote` to be a function, got undefined', { onPromote: undefined }],
    ['Expected `onDemote` to be a function, got "stop" (string)', { onDemote: 'stop' }],
    ['Expected `arbiter` to be an object with the methods acquire, renew, release, read, got an object', { arbiter: {} }],
    ['Expected `bus` to be an object with the methods join, send, got null', { bus: null }],
    ['Expected `bus` to be given, because `memory` does not say over what its users talk, got undefined', { bus: undefined }],
    ['Expected `heartbeatMs` to be a whole number of milliseconds, at least 1, got 0 (number)', { heartbeatMs: 0 }],
    ['Expected `silenceMs` to be more than `heartbeatMs` (5000), got 5000 (number)', { silenceMs: 5000 }],
    ['Expected `probe` to be a function, got 5 (number)', { probe: 5 }],
    ['Expected `probeMs` to be a whole number of milliseconds, at least 1, got NaN (number)', { probeMs: Number.NaN }],
    ['Expected `enabled` to be a boolean, got 1 (number)', { enabled: 1 }],
    ['Expected `id` to be a string of 1 to 200 well-formed characters, not all of them blank, got "" (string)', { id: '' }],
    ['Expected `marginMs` to be less than `ttlMs / 2` (7500), got 9000 (number)', { marginMs: 9000 }],
    ['Unknown option `heartbeat` (5 (number)): expected `heartbeatMs`', { heartbeat: 5 }],
    ['Unknown option `store` (an object): expected one of', { store: memory() }],
  ])('%s', (message, options) => {
    expect(() => new Failover({ ...good, ...options } as FailoverOptions)).toThrow(message)
  })

  test('silenceMs follows a longer heartbeatMs', () => {
    expect(() => new Failover({ ...good, heartbeatMs: 20_000 })).not.toThrow()
  })

  test('on one host nothing but the work has to be said', () => {
    const failover = new Failover({ election: 'orders', onPromote() {}, onDemote() {} })
    expect(failover.status().bus).toMatchObject({ name: 'unix-socket', joined: false })
    expect(failover.status().text).toBe(`${failover.id} is stopped in orders.`)
  })
})

describe('buses check theirs', () => {
  test.each<[string, () => unknown]>([
    ['Expected `path` to be an absolute path, got "x.sock" (string)', () => unixSocketBus({ path: 'x.sock' })],
    ['Expected `path` to be at most', () => unixSocketBus({ path: `/${'x'.repeat(120)}` })],
    ['Expected `client` to be a client of ioredis or node-redis', () => redisBus({} as never)],
    ['Expected `client` to be a Pool of pg or a client of postgres.js', () => postgresBus({} as never)],
    ['Expected `channel` to be letters', () => postgresBus({ totalCount: 0, connect() {} }, { channel: 'a"b' })],
    ['Unknown option `chanel`', () => postgresBus({ totalCount: 0, connect() {} }, { chanel: 'x' } as never)],
  ])('%s', (message, make) => {
    expect(make).toThrow(message)
  })
})
