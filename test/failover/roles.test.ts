import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Heartbeat } from '../../src/failover.ts'
import { TenureError } from '../../src/index.ts'
import { Pack } from './pack.ts'

let pack: Pack
beforeEach(() => {
  pack = new Pack()
})
afterEach(async () => {
  await pack.close()
  expect(pack.clock.pending).toBe(0)
})

describe('roles are outcomes', () => {
  test('the first to ask the arbiter is promoted, the other stands ready', async () => {
    const a = pack.add('a')
    const b = pack.add('b')
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    expect(pack.primaries()).toEqual(['a'])
    expect(a.roles).toEqual(['primary: promoted'])
    expect(b.failover.role).toBe('secondary')
    expect(b.roles).toEqual([])
    expect(a.failover.tenure?.held).toBe(true)
  })

  test('a listener that is added later is told the role of a primary', async () => {
    const a = pack.add('a')
    await pack.settled(a.failover.start())
    const late: string[] = []
    a.failover.on('role', (role) => late.push(role))
    await pack.clock.settle()
    expect(late).toEqual(['primary'])
  })

  test('A16: the defaults are 5 s and 15 s; lastHeartbeat is empty on a primary', async () => {
    const a = pack.add('a')
    const b = pack.add('b')
    const heard: Heartbeat[] = []
    b.failover.on('heartbeat', (heartbeat) => heard.push(heartbeat))
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    const before = heard.length
    await pack.clock.advance(20_000)
    expect(heard.length - before).toBe(4)
    expect(heard.at(-1)).toMatchObject({ from: 'a', fencingToken: a.failover.tenure?.fencingToken })
    expect(b.failover.lastHeartbeat?.ageMs).toBeLessThan(5000)
    expect(a.failover.lastHeartbeat).toBeUndefined()
  })

  test('A16: after an announced shutdown another is promoted in under a second', async () => {
    const a = pack.add('a')
    const b = pack.add('b')
    const suspected: string[] = []
    b.failover.on('suspect', ({ reason, primary }) => suspected.push(`${primary} ${reason}`))
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    await pack.settled(a.failover.stop())
    await pack.clock.advance(50)
    expect(pack.primaries()).toEqual(['b'])
    expect(suspected).toEqual(['a announced'])
    expect(b.failover.status().suspicion).toBeUndefined()
  })

  test('A20: handover is stop work, release, announce, in this order', async () => {
    const a = pack.add('a', {
      onDemote: async () => {
        pack.log.push('a is ending its work')
        await new Promise<void>((resolve) => pack.clock.timer(3000, resolve))
        pack.log.push('a has ended its work')
      },
    })
    const b = pack.add('b', { heartbeatMs: 1000, silenceMs: 20_000 })
    b.failover.on('suspect', ({ reason }) => pack.log.push(`b hears: ${reason}`))
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    pack.log.length = 0
    await pack.settled(a.failover.stepDown())
    await pack.clock.advance(100)
    expect(pack.log).toEqual(['a is ending its work', 'a has ended its work', 'a released', 'b hears: announced', 'b promoted'])
    expect(a.failover.role).toBe('secondary')
  })

  test('A17: the arbiter is held during and after the promotion', async () => {
    let done = () => {}
    const a = pack.add('a', { onPromote: () => new Promise<void>((resolve) => (done = resolve)) })
    const b = pack.add('b')
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    await pack.clock.advance(60_000)
    expect(pack.primaries()).toEqual([])
    expect(a.failover.status().phase).toBe('promoting')
    expect(b.promotions).toEqual([])
    done()
    await pack.clock.advance(60_000)
    expect(pack.primaries()).toEqual(['a'])
    expect(b.promotions).toEqual([])
  })

  test('A17: of two secondaries with the same trigger one is promoted, the other follows it', async () => {
    const [a, b, c] = [pack.add('a'), pack.add('b'), pack.add('c')]
    await pack.settled(a.failover.start())
    await pack.settled(Promise.all([b.failover.start(), c.failover.start()]))
    await pack.settled(a.failover.stop())
    await pack.clock.advance(1000)
    const [winner, ...more] = pack.primaries()
    expect(more).toEqual([])
    const loser = winner === 'b' ? c : b
    expect(loser.failover.lastHeartbeat).toMatchObject({ from: winner })
    expect(loser.failover.status().suspicion).toBeUndefined()
  })

  test('an answer of the arbiter that is older than a heartbeat does not undo it', async () => {
    const [a, b, c] = [pack.add('a'), pack.add('b'), pack.add('c')]
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    const { acquire } = c.arbiter
    let arrive = () => {}
    const arrived = new Promise<void>((resolve) => (arrive = resolve))
    c.arbiter.acquire = async (bid, signal) => {
      const lease = await acquire(bid, signal)
      await arrived
      return lease
    }
    const started = c.failover.start()
    await pack.clock.advance(10)
    await pack.settled(a.failover.stop())
    await pack.clock.advance(10)
    expect(c.failover.lastHeartbeat).toMatchObject({ from: 'b' })
    c.arbiter.acquire = acquire
    arrive()
    await pack.settled(started)
    expect(c.failover.lastHeartbeat).toMatchObject({ from: 'b' })
  })

  test('A19: a primary that loses the arbiter is demoted, and its onDemote awaited', async () => {
    let ended = () => {}
    const a = pack.add('a', { onDemote: () => new Promise<void>((resolve) => (ended = resolve)) })
    const b = pack.add('b')
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    a.arbiter.isCut = true
    await pack.clock.advance(30_000)
    expect(a.roles).toEqual(['primary: promoted', 'secondary: expired'])
    expect(pack.primaries()).toEqual(['b'])
    expect(a.failover.status().phase).toBe('demoting')
    a.arbiter.isCut = false
    await pack.settled(b.failover.stop())
    await pack.clock.advance(60_000)
    // Still at work: it stands for nothing.
    expect(pack.primaries()).toEqual([])
    ended()
    await pack.clock.advance(60_000)
    expect(pack.primaries()).toEqual(['a'])
    a.failover.stop().catch(() => {})
    ended()
    await pack.clock.advance(1)
    ended()
  })

  test('A19: a promoted instance announces its own shutdown once', async () => {
    const a = pack.add('a')
    await pack.settled(a.failover.start())
    await pack.clock.advance(7000)
    await pack.settled(Promise.all([a.failover.stop(), a.failover.stop()]))
    await pack.settled(a.failover.stop())
    expect(a.bus.kinds().filter((kind) => kind === 'leaving')).toHaveLength(1)
    expect(a.bus.kinds().at(-1)).toBe('leaving')
    expect(a.bus.kinds().filter((kind) => kind === 'heartbeat').length).toBeGreaterThanOrEqual(2)
  })

  test('A20: an arbiter that cannot be asked means secondary', async () => {
    const a = pack.add('a')
    a.arbiter.isCut = true
    await pack.settled(a.failover.start())
    await pack.clock.advance(120_000)
    expect(pack.primaries()).toEqual([])
    expect(a.troubles).toContain('store-unreachable')
    a.arbiter.isCut = false
    await pack.clock.advance(20_000)
    expect(pack.primaries()).toEqual(['a'])
  })

  test('a blocked event loop leaves no stale role behind', async () => {
    const a = pack.add('a')
    await pack.settled(a.failover.start())
    pack.clock.block(60_000)
    expect(a.failover.role).toBe('secondary')
    expect(a.failover.tenure).toBeUndefined()
  })
})

describe('enabled', () => {
  test('A18: disabled, nothing is promoted; enabled at run time, it is', async () => {
    const a = pack.add('a')
    const b = pack.add('b', { enabled: false })
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    await pack.settled(a.failover.stop())
    await pack.clock.advance(60_000)
    expect(pack.primaries()).toEqual([])
    expect(b.failover.status()).toMatchObject({ phase: 'disabled', enabled: false })
    expect(b.failover.status().suspicion).toMatchObject({ reason: 'announced', primary: 'a' })
    b.failover.enabled = true
    await pack.clock.advance(1000)
    expect(pack.primaries()).toEqual(['b'])
  })

  test('a primary keeps its role when it is disabled, and is not promoted again after it', async () => {
    const a = pack.add('a')
    await pack.settled(a.failover.start())
    a.failover.enabled = false
    await pack.clock.advance(60_000)
    expect(pack.primaries()).toEqual(['a'])
    expect(a.failover.status().text).toContain('it will not be promoted again')
    await pack.settled(a.failover.stepDown({ cooldownMs: 0 }))
    await pack.clock.advance(60_000)
    expect(pack.primaries()).toEqual([])
    a.failover.enabled = true
    await pack.clock.advance(1000)
    expect(pack.primaries()).toEqual(['a'])
  })

  test('switched off and on while the arbiter is being asked, it stands', async () => {
    const a = pack.add('a', { enabled: false })
    await pack.settled(a.failover.start())
    for (const enabled of [true, false, true, false, true]) a.failover.enabled = enabled
    await pack.clock.advance(1000)
    expect(pack.primaries()).toEqual(['a'])
    a.failover.enabled = false
    a.failover.enabled = true
    await pack.clock.advance(60_000)
    expect(pack.primaries()).toEqual(['a'])
    expect(a.promotions).toHaveLength(1)
  })

  test('is checked as an option is', () => {
    const a = pack.add('a')
    expect(() => {
      ;(a.failover as { enabled: unknown }).enabled = 'yes'
    }).toThrow('Expected `enabled` to be a boolean, got "yes" (string)')
  })
})

describe('promotions that fail', () => {
  test('A18: fails twice, succeeds the third time, with back-off, the arbiter free in between', async () => {
    const at: number[] = []
    const free: boolean[] = []
    const a = pack.add('a', {
      onPromote: async () => {
        at.push(pack.clock.mono())
        if (at.length < 3) throw new Error('port in use')
      },
    })
    a.failover.on('trouble', () => {
      pack.clock.timer(100, async () => free.push((await pack.store.read('orders', new AbortController().signal)) === undefined))
    })
    await pack.settled(a.failover.start())
    await pack.clock.advance(10_000)
    expect(pack.primaries()).toEqual(['a'])
    expect(a.demotions).toEqual(['promotion-failed', 'promotion-failed'])
    expect(a.troubles).toEqual(['work-failed', 'work-failed'])
    expect(free).toEqual([true, true])
    const [first = 0, second = 0, third = 0] = at
    expect(second - first).toBeGreaterThanOrEqual(500)
    expect(second - first).toBeLessThan(1100)
    expect(third - second).toBeGreaterThanOrEqual(1000)
    expect(third - second).toBeLessThan(2100)
  })

  test('the pause ends at 30 s, and a secondary that can takes over meanwhile', async () => {
    let tries = 0
    const a = pack.add('a', {
      onPromote: () => {
        tries += 1
        throw new Error('never')
      },
    })
    await pack.settled(a.failover.start())
    await pack.clock.advance(300_000)
    const before = tries
    await pack.clock.advance(300_000)
    expect(tries - before).toBeGreaterThanOrEqual(10)
    expect(tries - before).toBeLessThanOrEqual(20)
    const b = pack.add('b')
    await pack.settled(b.failover.start())
    await pack.clock.advance(31_000)
    expect(pack.primaries()).toEqual(['b'])
  })

  test('one that ends after the tenure has, has not failed, and is undone', async () => {
    let fail: (error: Error) => void = () => {}
    const a = pack.add('a', { onPromote: () => new Promise((_, reject) => (fail = reject)) })
    await pack.settled(a.failover.start())
    const stopped = a.failover.stop()
    fail(new Error('aborted'))
    await pack.settled(stopped)
    expect(a.demotions).toEqual(['stopped'])
    expect(a.troubles).toEqual([])
    expect(a.roles).toEqual([])
  })

  test('a demotion that fails is told, and the arbiter is free all the same', async () => {
    const a = pack.add('a', {
      onDemote: () => {
        throw new Error('cannot close')
      },
    })
    const b = pack.add('b')
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    await pack.settled(a.failover.stop())
    await pack.clock.advance(100)
    expect(a.troubles).toEqual(['work-failed'])
    expect(pack.primaries()).toEqual(['b'])
  })

  test('a demotion that never ends: stop() is bounded, nothing is released and nothing announced', async () => {
    const a = pack.add('a', { onDemote: () => new Promise(() => {}), drainMs: 15_000 })
    await pack.settled(a.failover.start())
    await pack.settled(a.failover.stop())
    expect(a.troubles).toEqual(['work-overran'])
    expect(pack.log).not.toContain('a released')
    expect(a.bus.kinds()).not.toContain('leaving')
  })
})

describe('start and stop', () => {
  test('stop before start is quiet; start after stop takes part again', async () => {
    const a = pack.add('a')
    await pack.settled(a.failover.stop())
    expect(a.bus.said).toEqual([])
    await pack.settled(a.failover.start())
    await pack.settled(a.failover.start())
    expect(pack.primaries()).toEqual(['a'])
    await pack.settled(a.failover.stop())
    expect(a.failover.status().phase).toBe('stopped')
    expect(a.demotions).toEqual(['stopped'])
    await pack.settled(a.failover.start())
    expect(pack.primaries()).toEqual(['a'])
    expect(a.promotions).toHaveLength(2)
  })

  test('stop() in the middle of everything: from a listener, and from onPromote', async () => {
    const a = pack.add('a')
    a.failover.on('role', () => void a.failover.stop())
    await pack.settled(a.failover.start())
    await pack.settled(a.failover.stop())
    expect(a.demotions).toEqual(['stopped'])
    const b = pack.add('b', { onPromote: () => void b.failover.stop() })
    await pack.settled(b.failover.start())
    await pack.settled(b.failover.stop())
    expect(b.demotions).toEqual(['stopped'])
    expect(b.roles).toEqual([])
  })

  test('aborting the signal stops it, and await using does', async () => {
    const controller = new AbortController()
    const a = pack.add('a', { signal: controller.signal })
    await pack.settled(a.failover.start())
    controller.abort()
    await pack.clock.advance(100)
    expect(a.failover.status().phase).toBe('stopped')
    await pack.settled(a.failover.start())
    expect(pack.primaries()).toEqual([])
    const b = pack.add('b')
    await pack.settled(b.failover.start())
    await pack.settled(b.failover[Symbol.asyncDispose]())
    expect(b.demotions).toEqual(['stopped'])
  })

  test('an arbiter that refuses to serve: start() rejects, and it takes no part', async () => {
    const a = pack.add('a')
    const denied = new TenureError('store-denied', 'arbiter: no rights')
    Object.assign(a.arbiter, { acquire: () => Promise.reject(denied) })
    await expect(pack.settled(a.failover.start())).rejects.toBe(denied)
    expect(a.failover.status()).toMatchObject({ phase: 'stopped', bus: { joined: false } })
  })

  test('an arbiter that refuses when it is switched on is asked again', async () => {
    const a = pack.add('a', { enabled: false })
    await pack.settled(a.failover.start())
    const { acquire } = a.arbiter
    a.arbiter.acquire = () => Promise.reject(new TenureError('store-denied', 'arbiter: no rights'))
    a.failover.enabled = true
    await pack.clock.advance(20_000)
    expect(a.troubles).toContain('store-denied')
    a.arbiter.acquire = acquire
    await pack.clock.advance(20_000)
    expect(pack.primaries()).toEqual(['a'])
  })

  test('a listener that throws ends nothing', async () => {
    const a = pack.add('a')
    a.failover.on('role', () => {
      throw new Error('listener')
    })
    await pack.settled(a.failover.start())
    expect(pack.primaries()).toEqual(['a'])
    expect(a.troubles).toEqual(['listener-failed'])
  })
})
