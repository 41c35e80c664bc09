/** Metrics, over both routes: what they say, and that both say the same. */

import promClient from 'prom-client'
import { describe, expect, test, vi } from 'vitest'
import { TenureError } from '../../src/index.ts'
import { counters, gauges, histograms } from '../../src/metrics/catalog.ts'
import { opentelemetry } from '../../src/metrics/opentelemetry.ts'
import { prometheus } from '../../src/metrics/prometheus.ts'
import { checks } from './checks.ts'
import { viaOpenTelemetry, viaPrometheus, World } from './lab.ts'

describe.each([
  ['prom-client', viaPrometheus()],
  ['OpenTelemetry', viaOpenTelemetry()],
] as const)('%s', (_, open) => {
  test.each(checks)('$name', ({ run }) => run(open))
})

test('both routes say the same: names, types, help, labels and values', async () => {
  const world = new World()
  const routes = await Promise.all([viaPrometheus()(), viaOpenTelemetry()()])
  try {
    const { clock, store } = world
    const unreachable = () => Promise.reject(new TenureError('store-unreachable', 'gone'))
    const leader = world.candidate()
    await leader.start()
    await world.candidate({ id: 'bob' }).start()
    await world.candidate({ election: 'lost', store: { ...store, renew: unreachable, release: unreachable } }).start()
    await world.candidate({ election: 'lost', id: 'bob' }).start()
    await world.candidate({ election: 'f \\ "q"', work: () => Promise.reject(new Error('no')) }).start()
    await clock.advance(5000)
    await leader.stop()
    await clock.advance(5000)
    const [prom, otel] = await Promise.all(routes.map((route) => route.scrape()))
    if (!prom || !otel) throw new Error('two routes, two scrapes')

    const families = [gauges, counters, histograms].flatMap((part) => Object.keys(part)).sort()
    expect([...prom.types.keys()].sort()).toEqual(families)
    expect(Object.fromEntries(otel.types)).toEqual(Object.fromEntries(prom.types))
    expect(Object.fromEntries(otel.helps)).toEqual(Object.fromEntries(prom.helps))
    expect([...otel.samples.keys()].sort()).toEqual([...prom.samples.keys()].sort())
    // Measured by each for itself, on a real clock.
    const measured = /^leader_election_(renewal_duration|store_operation_duration|event_loop_delay)_seconds(?!_count)/
    const comparable = [...prom.samples].filter(([key]) => !measured.test(key))
    expect(comparable.length).toBeGreaterThan(60)
    for (const [key, value] of comparable) expect(`${key} ${otel.samples.get(key)?.toFixed(9)}`).toBe(`${key} ${value.toFixed(9)}`)
  } finally {
    await world.end()
    for (const route of routes) await route.close()
  }
})

test('the limit that an SDK of OpenTelemetry sets to each metric, and the view that lifts it', async () => {
  const ELECTIONS = 700
  const lifted = viaOpenTelemetry(opentelemetry, [{ instrumentName: 'leader_election.*', aggregationCardinalityLimit: 50_000 }])
  const world = new World()
  const routes = await Promise.all([viaPrometheus()(), lifted(), viaOpenTelemetry()()])
  try {
    for (let i = 0; i < ELECTIONS; i++) await world.candidate({ election: `e${i}` }).start()
    const [prom, wide, narrow] = await Promise.all(routes.map((route) => route.scrape()))
    if (!prom || !wide || !narrow) throw new Error('three routes, three scrapes')
    expect(Object.keys(prom.of('leader_election_transitions_total'))).toHaveLength(3 * ELECTIONS)
    expect([...wide.samples.keys()].sort()).toEqual([...prom.samples.keys()].sort())
    expect(Object.keys(narrow.of('leader_election_transitions_total'))).toHaveLength(2000)
    expect(narrow.text).toContain('leader_election_transitions_total{otel_metric_overflow="true"}')
  } finally {
    await world.end()
    for (const route of routes) await route.close()
  }
}, 60_000)

test('an exporter that fails is told of once, and ends nothing', async () => {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const registry = new promClient.Registry()
  class Broken {
    inc(): never {
      throw new Error('password=s3cret')
    }
  }
  const metrics = prometheus({ ...promClient, Counter: Broken }, { registry })
  const world = new World()
  const a = world.candidate()
  await a.start()
  expect(a.isLeader).toBe(true)
  await world.end()
  metrics.dispose()
  expect(warnings.mock.calls).toEqual([['Metrics failed: password=***', { type: 'TenureWarning', code: 'listener-failed' }]])
  warnings.mockRestore()
})

describe('bad input', () => {
  test('what is not a client, a registry or a meter is refused', () => {
    expect(() => prometheus({} as never)).toThrow(/Expected `client` to be an object with the methods Counter, Gauge, Histogram/)
    expect(() => prometheus(promClient, { registry: {} as never })).toThrow(/Expected `registry` to be/)
    expect(() => opentelemetry(undefined as never)).toThrow(/Expected `meter` to be/)
  })

  test('metrics are turned on once for a registry, and again after they were disposed', () => {
    const registry = new promClient.Registry()
    const first = prometheus(promClient, { registry })
    expect(() => prometheus(promClient, { registry })).toThrow(/turn them on once/)
    first.dispose()
    expect(registry.getMetricsAsArray()).toEqual([])
    {
      using again = prometheus(promClient, { registry })
      expect(again).toBeDefined()
      first.dispose()
      expect(registry.getMetricsAsArray().length).toBeGreaterThan(0)
    }
    expect(registry.getMetricsAsArray()).toEqual([])
  })
})
