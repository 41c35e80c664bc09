/** The parts that every seed is made of: chance, time, the queue, processes, the network. */

import { describe, expect, test } from 'vitest'
import { Chance } from '../../sim/chance.ts'
import { MachineTime } from '../../sim/clocks.ts'
import { Network } from '../../sim/network.ts'
import { type Plan, planOf } from '../../sim/plan.ts'
import { Host } from '../../sim/process.ts'
import { Queue } from '../../sim/queue.ts'
import { World } from '../../sim/world.ts'

const plain: Plan = { ...planOf(1), grid: true, skew: 'none', sloppy: false, latencyMs: 1, jitterMs: 0, horizonMs: 10_000, faults: [] }

describe('chance', () => {
  test('each component has a stream of its own, and the same one each time', () => {
    const draw = (seed: number, component: string) =>
      Array.from(
        { length: 5 },
        (
          (chance) => () =>
            chance.next()
        )(new Chance(seed, component)),
      )
    expect(draw(1, 'a')).toEqual(draw(1, 'a'))
    expect(draw(1, 'a')).not.toEqual(draw(1, 'b'))
    expect(draw(1, 'a')).not.toEqual(draw(2, 'a'))
  })

  test('is even, and stays within its bounds', () => {
    const chance = new Chance(7, 'dice')
    const counts = new Array<number>(6).fill(0)
    for (let i = 0; i < 60_000; i++) {
      const face = chance.below(6)
      counts[face] = (counts[face] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
    expect(chance.shuffled([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4])
  })
})

test('the queue gives what is next, and of equals what was planned first', () => {
  const queue = new Queue()
  const chance = new Chance(3, 'queue')
  const planned = Array.from({ length: 500 }, (_, order) => ({ at: chance.below(50), order }))
  for (const { at } of planned) queue.plan(at, () => {})
  const came = planned.map(() => queue.next()).map((item) => ({ at: item?.at, order: item?.order }))
  expect(came).toEqual([...planned].sort((a, b) => a.at - b.at || a.order - b.order))
  expect(queue.next()).toBeUndefined()
})

test('clocks drift, stand still and are stepped', () => {
  const time = new MachineTime({ at: 0, mono: 100, wall: 1000 }, { mono: 1.1, wall: 0.9 })
  expect([time.mono(10), time.wall(10)]).toEqual([111, 1009])
  expect(time.whenMono(time.mono(37))).toBeCloseTo(37)
  time.run(10, false, true)
  expect([time.mono(20), time.wall(20)]).toEqual([111, 1018])
  expect(time.whenMono(200)).toBe(Number.POSITIVE_INFINITY)
  time.stepWall(20, -500)
  time.run(20, true, true)
  expect([time.mono(30), time.wall(30)]).toEqual([122, 527])
})

describe('a process', () => {
  const fresh = () => {
    const world = new World(1)
    return { world, host: new Host(world, plain, 0, 1) }
  }
  const runAll = (world: World, until: number) => {
    while (world.turn(until));
  }

  test('hears nothing while it is blocked, and then everything, in any order', () => {
    const orders = new Set<string>()
    for (let number = 0; number < 40; number++) {
      const world = new World(1)
      const host = new Host(world, plain, number, 1)
      const heard: string[] = []
      host.setTimer(5, () => heard.push('timer'))
      world.at(6, () => host.deliver(() => heard.push('answer')))
      host.block(20)
      runAll(world, 19)
      expect(heard).toEqual([])
      runAll(world, 30)
      expect(host.blockedMs).toBe(20)
      orders.add(heard.join())
    }
    expect([...orders].sort()).toEqual(['answer,timer', 'timer,answer'])
  })

  test('forgets a timer that was taken back, even one that waits already', () => {
    const { world, host } = fresh()
    let woken = 0
    const cancel = host.setTimer(5, () => (woken += 1))
    host.block(20)
    runAll(world, 10)
    cancel()
    runAll(world, 30)
    expect(woken).toBe(0)
  })

  test('is silent once it is dead', () => {
    const { world, host } = fresh()
    let heard = 0
    host.setTimer(5, () => (heard += 1))
    world.at(5, () => host.deliver(() => (heard += 1)))
    world.at(1, () => host.die())
    runAll(world, 30)
    expect(heard).toBe(0)
  })
})

describe('the network', () => {
  const fresh = () => {
    const world = new World(1)
    const network = new Network(world, plain)
    const host = new Host(world, plain, 0, 1)
    const arrived: number[] = []
    const send = () => network.carry({ host, way: 'up', label: 'm', deliver: () => arrived.push(world.now) })
    const pass = (ms: number) => void world.turn(world.now + ms)
    return { world, network, arrived, send, pass }
  }
  const noise = { host: -1, lose: 0, loseAnswers: 0, double: 0, slowMs: 0 }

  test('carries', () => {
    const { arrived, send, pass } = fresh()
    send()
    pass(100)
    expect(arrived.length).toBe(1)
  })

  test('loses, and doubles', () => {
    const { network, arrived, send, pass, world } = fresh()
    const quiet = network.noise({ ...noise, lose: 1 })
    send()
    pass(1000)
    expect(arrived).toEqual([])
    expect(world.counts.get('lostRequest')).toBe(1)
    quiet()
    network.noise({ ...noise, double: 1 })
    send()
    pass(1000)
    expect(arrived.length).toBe(2)
  })

  test('holds back what was sent while it was cut, and delivers it when it heals', () => {
    const { network, arrived, send, pass } = fresh()
    const mend = network.cut({ host: 0, up: true, down: false, held: true })
    send()
    pass(1000)
    expect(arrived).toEqual([])
    mend()
    pass(1000)
    expect(arrived.length).toBe(1)
  })

  test('overtakes, and brings nothing later than it heals', () => {
    const { network, send, arrived, world } = fresh()
    network.noise({ ...noise, slowMs: 5000 })
    const order: number[] = []
    for (let i = 0; i < 50; i++) {
      const before = arrived.length
      world.at(i, () => send())
      order.push(before)
    }
    while (world.turn(20_000));
    expect(arrived.length).toBe(50)
    expect(Math.max(...arrived)).toBeLessThanOrEqual(plain.horizonMs + network.mostMs)
  })
})

describe('a world', () => {
  test('in which events set each other off without end is stopped', () => {
    const world = new World(1)
    const again = () => world.at(world.now, again)
    again()
    world.turn()
    expect(world.violation?.oracle).toBe('I12')
  })

  test('in which nothing happens any more is not waited for', () => {
    const world = new World(1)
    expect(world.turn()).toBe(false)
    expect(world.violation?.oracle).toBe('I13')
  })

  test('remembers the first law that was broken', () => {
    const world = new World(1)
    world.violated('I1', 'first')
    world.violated('I2', 'second')
    expect(world.violation).toMatchObject({ oracle: 'I1', text: 'first' })
  })
})
