/**
 * Metrics for Prometheus, by prom-client: `prometheus(client)` turns them on. The package itself is the caller's and
 * handed in, so that there is one of it and nothing is imported here.
 */

import { badOption } from '../errors.ts'
import { checkKnown, checkMethods } from '../options.ts'
import { type CounterName, counters, entriesOf, type GaugeName, gauges, type HistogramName, histograms, type Labels } from './catalog.ts'
import { Collector } from './collector.ts'

interface MetricOptions<R> {
  readonly name: string
  readonly help: string
  readonly labelNames: string[]
  readonly registers?: R[]
}

interface GaugeOptions<R> extends MetricOptions<R> {
  readonly aggregator: 'sum' | 'max'
  readonly collect: () => void
}

interface HistogramOptions<R> extends MetricOptions<R> {
  readonly buckets: number[]
}

interface PromCounter {
  inc(labels: Labels, value: number): void
}

interface PromHistogram {
  observe(labels: Labels, value: number): void
}

interface PromGauge {
  set(labels: Labels, value: number): void
}

/** What is needed of a registry of prom-client. */
export interface PromRegistry {
  getSingleMetric(name: string): unknown
  removeSingleMetric(name: string): void
}

/** What is needed of the package prom-client. */
export interface PromClient<R> {
  readonly register: PromRegistry
  readonly Counter: new (options: MetricOptions<R>) => PromCounter
  readonly Gauge: new (options: GaugeOptions<R>) => PromGauge
  readonly Histogram: new (options: HistogramOptions<R>) => PromHistogram
}

/** All are optional. */
export interface PrometheusOptions<R> {
  /** Where the metrics go. @default the client's own `register` */
  readonly registry?: R | undefined
}

/** Metrics that are turned on. */
export interface Metrics {
  /** Listen no longer, and take the metrics back. Idempotent. */
  dispose(): void
  [Symbol.dispose](): void
}

/**
 * Export the metrics of all candidates of this process: `prometheus(client)`, where `client` is what `prom-client`
 * exports. Turn it on before the first candidate starts; of those that stand already only what comes is counted.
 * Throws a `TenureError` of code `bad-option`, also where the registry has these metrics already.
 */
export function prometheus<R extends PromRegistry>(client: PromClient<R>, options: PrometheusOptions<R> = {}): Metrics {
  checkKnown(options, { registry: true })
  checkMethods('client', client, ['Counter', 'Gauge', 'Histogram'])
  const registry = checkMethods('registry', options.registry ?? client.register, ['getSingleMetric', 'removeSingleMetric'])
  const names = [gauges, counters, histograms].flatMap((part) => Object.keys(part))
  const taken = names.find((name) => registry.getSingleMetric(name) !== undefined)
  if (taken) throw badOption('registry', 'one without metrics of leader elections; turn them on once', taken)

  const counting = new Map<CounterName, PromCounter>()
  const measuring = new Map<HistogramName, PromHistogram>()
  const common = (name: string, { help, labels }: { readonly help: string; readonly labels: readonly string[] }) => ({
    name,
    help,
    labelNames: [...labels],
    // Without them prom-client takes its own registry.
    ...(options.registry && { registers: [options.registry] }),
  })
  for (const [name, metric] of entriesOf<CounterName, (typeof counters)[CounterName]>(counters)) {
    counting.set(name, new client.Counter(common(name, metric)))
  }
  for (const [name, metric] of entriesOf<HistogramName, (typeof histograms)[HistogramName]>(histograms)) {
    measuring.set(name, new client.Histogram({ ...common(name, metric), buckets: [...metric.buckets] }))
  }
  const collector = new Collector({
    add: (name, labels, by) => counting.get(name)?.inc(labels, by),
    observe: (name, labels, seconds) => measuring.get(name)?.observe(labels, seconds),
  })
  for (const [name, metric] of entriesOf<GaugeName, (typeof gauges)[GaugeName]>(gauges)) {
    const gauge: PromGauge = new client.Gauge({
      ...common(name, metric),
      aggregator: metric.aggregator,
      collect: () => collector.read(name, (labels, value) => gauge.set(labels, value)),
    })
  }
  const dispose = () => {
    collector.dispose()
    for (const name of names.splice(0)) registry.removeSingleMetric(name)
  }
  return { dispose, [Symbol.dispose]: dispose }
}
