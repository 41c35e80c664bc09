import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Failover, MAX_MESSAGE_BYTES, type Primary } from '../../src/failover.ts'
import { type Instance, Pack } from './pack.ts'

let pack: Pack
beforeEach(() => {
  pack = new Pack()
})
afterEach(async () => {
  await pack.close()
  expect(pack.clock.pending).toBe(0)
})

/** As if its process had died: nothing of it reaches anybody. */
function die(instance: Instance): void {
  instance.arbiter.isCut = true
  instance.bus.isMute = true
}

function suspicions(failover: Failover): string[] {
  const seen: string[] = []
  failover.on('suspect', ({ reason, primary }) => seen.push(`${primary}: ${reason}`))
  return seen
}

function heartbeat(fencingToken: number, more: object = {}): string {
  const message = { tenure: 'failover', format: 1, election: 'orders', kind: 'heartbeat', from: 'x', node: 'x1', fencingToken, ...more }
  return JSON.stringify(message)
}

async function pair(options: Parameters<Pack['add']>[1] = {}): Promise<[Instance, Instance]> {
  const a = pack.add('a', options)
  const b = pack.add('b', options)
  await pack.settled(a.failover.start())
  await pack.settled(b.failover.start())
  return [a, b]
}

describe('silence', () => {
  test('A16: of a dead primary is suspected after silenceMs, and another is promoted when the lease is over', async () => {
    const [a, b] = await pair({ silenceMs: 8000 })
    await pack.clock.advance(7000)
    const seen = suspicions(b.failover)
    die(a)
    await pack.clock.advance(30_000)
    expect(seen).toEqual(['a: silent'])
    expect(pack.primaries()).toEqual(['b'])
  })

  test('of a primary that lives and is mute costs it nothing', async () => {
    const [a, b] = await pair()
    await pack.clock.advance(7000)
    const seen = suspicions(b.failover)
    a.bus.isMute = true
    await pack.clock.advance(120_000)
    expect(pack.primaries()).toEqual(['a'])
    // Told once, although it lasts.
    expect(seen).toEqual(['a: silent'])
    expect(b.failover.status().text).toMatch(/^b is secondary in orders; a seems to be silent for 1\d\.\d s\.$/)
    a.bus.isMute = false
    await pack.clock.advance(6000)
    expect(b.failover.status().suspicion).toBeUndefined()
    a.bus.isMute = true
    await pack.clock.advance(20_000)
    expect(seen).toEqual(['a: silent', 'a: silent'])
  })

  test('is asked about at the arbiter at once, and again in every heartbeatMs', async () => {
    const b = pack.add('b', { retryMs: 60_000, ttlMs: 60_000 })
    const a = pack.add('a', { ttlMs: 60_000 })
    Object.assign(b.arbiter, { watch: undefined })
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    const asked: number[] = []
    const { acquire } = b.arbiter
    b.arbiter.acquire = (bid, signal) => {
      asked.push(pack.clock.mono())
      return acquire(bid, signal)
    }
    await pack.clock.advance(1000)
    const from = pack.clock.mono()
    asked.length = 0
    a.bus.isMute = true
    await pack.clock.advance(25_000)
    expect(asked.length).toBeGreaterThanOrEqual(3)
    expect((asked[0] ?? 0) - from).toBeGreaterThanOrEqual(10_000)
  })

  test('heartbeats that wait behind a blocked loop are heard before silence is suspected', async () => {
    const [a, b] = await pair()
    const seen = suspicions(b.failover)
    await pack.clock.advance(1000)
    // All of the process stands still, and the heartbeats come right after the timer.
    const token = a.failover.tenure?.fencingToken ?? 0
    pack.clock.block(16_000)
    pack.clock.timer(0, () => b.bus.bring(heartbeat(token, { from: 'a', node: 'a1' })))
    await pack.clock.advance(1)
    await pack.clock.advance(1)
    expect(seen).toEqual([])
  })
})

describe('a closed channel', () => {
  test('A16: of the primary is suspected at once, that of another is not', async () => {
    const [a, b] = await pair()
    const c = pack.add('c')
    await pack.settled(c.failover.start())
    await pack.clock.advance(6000)
    const seen = suspicions(b.failover)
    await pack.settled(c.failover.stop())
    expect(seen).toEqual([])
    const { node } = JSON.parse(a.bus.said.at(-1) ?? '{}') as { node: string }
    b.bus.closed(node)
    expect(seen).toEqual(['a: closed'])
    expect(pack.primaries()).toEqual(['a'])
  })
})

describe('tokens', () => {
  test('A20: heartbeats of an older tenure are ignored, and counted', async () => {
    const [a, b] = await pair()
    await pack.clock.advance(6000)
    const old = a.bus.said.at(-1) ?? ''
    await pack.settled(a.failover.stepDown())
    await pack.clock.advance(1000)
    expect(pack.primaries()).toEqual(['b'])
    expect(a.failover.lastHeartbeat?.from).toBe('b')
    const { old: before } = a.failover.status().bus
    a.bus.bring(old.replace(/"node":"[^"]*"/, '"node":"late"'))
    expect(a.failover.lastHeartbeat?.from).toBe('b')
    expect(a.failover.status().bus.old).toBe(before + 1)
    expect(b.failover.role).toBe('primary')
  })

  test('a heartbeat that comes after its own farewell is ignored', async () => {
    const b = pack.add('b', { enabled: false })
    await pack.settled(b.failover.start())
    b.bus.bring(heartbeat(7))
    b.bus.bring(heartbeat(7, { kind: 'leaving' }))
    expect(b.failover.lastHeartbeat).toBeUndefined()
    b.bus.bring(heartbeat(7))
    expect(b.failover.lastHeartbeat).toBeUndefined()
    expect(b.failover.status().suspicion?.reason).toBe('announced')
    b.bus.bring(heartbeat(8))
    expect(b.failover.lastHeartbeat?.fencingToken).toBe(8)
    b.bus.bring(heartbeat(7, { kind: 'leaving' }))
    expect(b.failover.status().suspicion).toBeUndefined()
  })

  test('a primary that hears a larger token asks the arbiter at once, and believes only that', async () => {
    const a = pack.add('a')
    await pack.settled(a.failover.start())
    await pack.clock.advance(500)
    let renewals = 0
    const { renew } = a.arbiter
    a.arbiter.renew = (bid, signal) => {
      renewals += 1
      return renew(bid, signal)
    }
    a.bus.bring(heartbeat(Number.MAX_SAFE_INTEGER))
    await pack.clock.advance(1)
    expect(renewals).toBe(1)
    expect(pack.primaries()).toEqual(['a'])
    a.bus.bring(heartbeat(1))
    await pack.clock.advance(1)
    expect(renewals).toBe(1)
  })
})

describe('a lie', () => {
  const huge = Number.MAX_SAFE_INTEGER

  test.each(['heartbeat', 'leaving'])('(%s of a huge token) is forgotten when the arbiter has answered', async (kind) => {
    const [, b] = await pair()
    await pack.clock.advance(6000)
    b.bus.bring(heartbeat(huge, { kind }))
    await pack.clock.advance(100)
    expect(b.failover.status().primary?.id).toBe('a')
    await pack.clock.advance(6000)
    expect(b.failover.lastHeartbeat?.from).toBe('a')
    expect(b.failover.status().suspicion).toBeUndefined()
    expect(pack.primaries()).toEqual(['a'])
  })

  test.each(['heartbeat', 'leaving'])('(%s) told a thousand times costs the arbiter a few questions', async (kind) => {
    const [a, b] = await pair()
    await pack.clock.advance(6000)
    let questions = 0
    const count = (arbiter: Instance['arbiter']) => {
      const { acquire, renew } = arbiter
      arbiter.acquire = (...all) => {
        questions += 1
        return acquire(...all)
      }
      arbiter.renew = (...all) => {
        questions += 1
        return renew(...all)
      }
    }
    count(a.arbiter)
    count(b.arbiter)
    for (let i = 1; i <= 1000; i++) {
      for (const { bus } of [a, b]) bus.bring(heartbeat(huge - 1000 + i, { kind }))
      await pack.clock.advance(4)
    }
    // Less than one heartbeat of 5 s: ten each, and what is asked anyway.
    expect(questions).toBeGreaterThan(4)
    expect(questions).toBeLessThanOrEqual(30)
    await pack.clock.advance(12_000)
    expect(b.failover.status()).toMatchObject({ suspicion: undefined, primary: { id: 'a' } })
    expect(pack.primaries()).toEqual(['a'])
  })

  test('while the arbiter cannot be reached misleads until it can', async () => {
    const [, b] = await pair()
    await pack.clock.advance(6000)
    b.arbiter.isCut = true
    b.bus.bring(heartbeat(huge))
    expect(b.failover.status().primary?.id).toBe('x')
    // Silent since: what the arbiter said last counts for more.
    await pack.clock.advance(20_000)
    expect(b.failover.status()).toMatchObject({ suspicion: { reason: 'silent', primary: 'x' }, primary: { id: 'a' } })
    b.arbiter.isCut = false
    await pack.clock.advance(20_000)
    expect(b.failover.lastHeartbeat?.from).toBe('a')
    expect(b.failover.status().suspicion).toBeUndefined()
  })

  test('told to a primary does not deafen it after its end', async () => {
    const [a] = await pair()
    a.bus.bring(heartbeat(huge))
    await pack.settled(a.failover.stepDown())
    await pack.clock.advance(7000)
    expect(pack.primaries()).toEqual(['b'])
    expect(a.failover.lastHeartbeat?.from).toBe('b')
  })

  test.each(['heartbeat', 'leaving'])('(%s) told to one that is disabled, and asks nobody, is over after silenceMs', async (kind) => {
    const [, b] = await pair()
    b.failover.enabled = false
    await pack.clock.advance(6000)
    b.bus.bring(heartbeat(huge, { kind }))
    await pack.clock.advance(40_000)
    expect(b.failover.lastHeartbeat?.from).toBe('a')
    expect(b.failover.status()).toMatchObject({ suspicion: undefined, primary: { id: 'a' } })
  })
})

describe('a probe', () => {
  const answers = (answer: () => boolean | Promise<boolean>) => {
    const asked: Primary[] = []
    const probe = (primary: Primary) => {
      asked.push(primary)
      return answer()
    }
    return { asked, probe }
  }

  test('A20: finds a dead primary at once', async () => {
    const a = pack.add('a', { advert: 'http://a' })
    const { asked, probe } = answers(() => Promise.reject(new Error('ECONNREFUSED')))
    const b = pack.add('b', { probe })
    await pack.settled(a.failover.start())
    await pack.settled(b.failover.start())
    const seen = suspicions(b.failover)
    expect(await pack.settled(b.failover.probeNow())).toBe(false)
    expect(asked).toEqual([{ id: 'a', fencingToken: a.failover.tenure?.fencingToken, advert: 'http://a' }])
    expect(seen).toEqual(['a: probe-failed'])
    // It lives, says the arbiter.
    await pack.clock.advance(1000)
    expect(pack.primaries()).toEqual(['a'])
  })

  test('that is answered calms a doubt raised by silence', async () => {
    const { asked, probe } = answers(() => true)
    const [a, b] = await pair({ probe })
    const seen = suspicions(b.failover)
    a.bus.isMute = true
    await pack.clock.advance(40_000)
    expect(seen).toEqual([])
    expect(asked.length).toBe(2)
    expect(await pack.settled(b.failover.probeNow())).toBe(true)
    expect(await a.failover.probeNow()).toBeUndefined()
  })

  test('that hangs is given up after probeMs', async () => {
    let signal: AbortSignal | undefined
    const [, b] = await pair({
      probeMs: 300,
      probe: (_primary, given) => {
        signal = given
        return new Promise(() => {})
      },
    })
    const answer = b.failover.probeNow()
    await pack.clock.advance(299)
    expect(signal?.aborted).toBe(false)
    await pack.clock.advance(2)
    expect(await answer).toBe(false)
    expect(signal?.aborted).toBe(true)
  })

  test('has nobody to ask while nobody is known, and none without being given', async () => {
    const { asked, probe } = answers(() => true)
    const b = pack.add('b', { probe, enabled: false })
    await pack.settled(b.failover.start())
    expect(await b.failover.probeNow()).toBeUndefined()
    expect(asked).toEqual([])
    const [, d] = await pair()
    expect(await d.failover.probeNow()).toBeUndefined()
  })
})

describe('what comes over the bus', () => {
  test('garbage, oversized and foreign messages are ignored and counted', async () => {
    const b = pack.add('b', { enabled: false })
    await pack.settled(b.failover.start())
    const bad = ['', 'null', '[]', '{', '42', '"x"', '{}', heartbeat(0), heartbeat(1.5), heartbeat(-1), heartbeat(2 ** 53)]
    bad.push(heartbeat(1, { from: 5 }), heartbeat(1, { from: '' }), heartbeat(1, { kind: 'order' }), heartbeat(1, { node: undefined }))
    for (const text of bad) b.bus.bring(text)
    b.bus.bring(heartbeat(1, { more: 'x'.repeat(MAX_MESSAGE_BYTES) }))
    b.bus.bring(heartbeat(1, { election: 'other' }))
    b.bus.bring(heartbeat(1, { format: 2 }))
    const { bus, suspicion } = b.failover.status()
    expect(bus).toMatchObject({ heard: 0, garbage: bad.length, oversized: 1, foreign: 2, old: 0 })
    expect(suspicion).toBeUndefined()
    expect(b.failover.lastHeartbeat).toBeUndefined()
    expect(b.troubles).toEqual([])
  })

  test('its own voice is not taken for that of another', async () => {
    const a = pack.add('a')
    await pack.settled(a.failover.start())
    await pack.clock.advance(20_000)
    expect(a.failover.status().bus).toMatchObject({ heard: 0, garbage: 0, foreign: 0 })
  })

  test('a bus that is down is told, joined again, and costs no role', async () => {
    const [a, b] = await pair()
    await pack.clock.advance(6000)
    a.bus.fall()
    await pack.clock.advance(60_000)
    expect(pack.primaries()).toEqual(['a'])
    expect(new Set(a.troubles)).toEqual(new Set(['bus-unreachable']))
    expect(a.failover.status()).toMatchObject({ bus: { joined: false } })
    expect(a.failover.status().text).toContain('the bus (test) is down')
    expect(b.failover.status().suspicion).toMatchObject({ reason: 'closed', primary: 'a' })
    // Tried again with a pause that ends at 5 s.
    expect(a.troubles.length).toBeGreaterThanOrEqual(12)
    expect(a.troubles.length).toBeLessThan(40)
    a.bus.isDown = false
    await pack.clock.advance(5100)
    // What was missed is made up for at once.
    expect(b.failover.lastHeartbeat?.ageMs).toBeLessThan(5100)
    expect(b.failover.status().suspicion).toBeUndefined()
  })

  test('a bus that is never joined is given up after 5 s, and tried again', async () => {
    let joins = 0
    const join = () => {
      joins += 1
      return new Promise<void>(() => {})
    }
    const bus = { name: 'silent', send: () => Promise.resolve(), join }
    const a = pack.add('a', { bus })
    await pack.settled(a.failover.start())
    await pack.clock.advance(16_000)
    expect(joins).toBe(4)
    expect(a.troubles).toEqual(['bus-unreachable', 'bus-unreachable', 'bus-unreachable'])
    expect(pack.primaries()).toEqual(['a'])
  })

  test('a bus that takes nothing holds up neither heartbeats nor stop(), and is told when it has lost more than one', async () => {
    const a = pack.add('a')
    await pack.settled(a.failover.start())
    a.bus.send = () => new Promise(() => {})
    await pack.clock.advance(7000)
    expect(a.troubles).toEqual([])
    await pack.clock.advance(5000)
    expect(a.troubles).toEqual(['bus-unreachable'])
    await pack.clock.advance(8000)
    await pack.settled(a.failover.stop(), 5000)
    expect(a.failover.status().phase).toBe('stopped')
  })
})

describe('status', () => {
  test('reads well to a person, whatever goes on', async () => {
    const [a, b] = await pair()
    expect(b.failover.status().text).toBe('b is secondary in orders; a is primary, not heard yet.')
    await pack.clock.advance(7300)
    const token = a.failover.tenure?.fencingToken
    expect(a.failover.status().text).toBe(`a is primary, fencing token ${token} in orders.`)
    expect(b.failover.status().text).toBe('b is secondary in orders; a is primary, last heard 2.3 s ago.')
    b.failover.enabled = false
    expect(b.failover.status().text).toBe('b is secondary and not to be promoted in orders; a is primary, last heard 2.3 s ago.')
    await pack.settled(a.failover.stop())
    await pack.clock.advance(10)
    expect(a.failover.status().text).toBe('a is stopped in orders.')
    expect(b.failover.status().text).toBe('b is secondary and not to be promoted in orders; a seems to be gone by its own word.')
  })
})
