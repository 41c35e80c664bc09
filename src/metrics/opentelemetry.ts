/**
 * Metrics for OpenTelemetry: `opentelemetry(meter)` turns them on. Their names are those of Prometheus with a dot after
 * `leader_election` and no `_total`, so that exporters and collectors that translate them arrive at the same names.
 */

import { checkMethods } from '../options.ts'
import { type CounterName, counters, entriesOf, type GaugeName, gauges, type HistogramName, histograms, type Labels } from './catalog.ts'
import { Collector } from './collector.ts'

interface InstrumentOptions {
  readonly description: string
  readonly unit?: string
  readonly advice?: { readonly explicitBucketBoundaries: number[] }
}

type ObserveCallback = (result: { observe(value: number, attributes: Labels): void }) => void

/** What is needed of a meter of `@opentelemetry/api`. */
export interface OtelMeter {
  createCounter(name: string, options: InstrumentOptions): { add(value: number, attributes: Labels): void }
  createHistogram(name: string, options: InstrumentOptions): { record(value: number, attributes: Labels): void }
  createObservableGauge(
    name: string,
    options: InstrumentOptions,
  ): { addCallback(callback: ObserveCallback): void; removeCallback(callback: ObserveCallback): void }
}

/** Metrics that are turned on. */
export interface Metrics {
  /** Listen no longer. What was counted stays with the meter, which has no way to forget it. Idempotent. */
  dispose(): void
  [Symbol.dispose](): void
}

/**
 * Export the metrics of all candidates of this process: `opentelemetry(metrics.getMeter('tenure'))`. Turn it on before
 * the first candidate starts; of those that stand already only what comes is counted. Throws a `TenureError` of code
 * `bad-option`.
 */
export function opentelemetry(meter: OtelMeter): Metrics {
  checkMethods('meter', meter, ['createCounter', 'createHistogram', 'createObservableGauge'])
  const counting = new Map<CounterName, ReturnType<OtelMeter['createCounter']>>()
  const measuring = new Map<HistogramName, ReturnType<OtelMeter['createHistogram']>>()
  for (const [name, { help }] of entriesOf<CounterName, (typeof counters)[CounterName]>(counters)) {
    // No unit: a translation would put it into the name.
    counting.set(name, meter.createCounter(dotted(name), { description: help }))
  }
  for (const [name, { help, buckets }] of entriesOf<HistogramName, (typeof histograms)[HistogramName]>(histograms)) {
    const advice = { explicitBucketBoundaries: [...buckets] }
    measuring.set(name, meter.createHistogram(dotted(name), { description: help, unit: 's', advice }))
  }
  const collector = new Collector({
    add: (name, labels, by) => counting.get(name)?.add(by, labels),
    observe: (name, labels, seconds) => measuring.get(name)?.record(seconds, labels),
  })
  const ends = entriesOf<GaugeName, { readonly help: string; readonly unit?: 's' }>(gauges).map(([name, { help, unit }]) => {
    const gauge = meter.createObservableGauge(dotted(name), { description: help, ...(unit && { unit }) })
    const callback: ObserveCallback = (result) => collector.read(name, (labels, value) => result.observe(value, labels))
    gauge.addCallback(callback)
    return () => gauge.removeCallback(callback)
  })
  const dispose = () => {
    collector.dispose()
    for (const end of ends.splice(0)) end()
  }
  return { dispose, [Symbol.dispose]: dispose }
}

/** `leader_election_renewals_total` is `leader_election.renewals`. */
function dotted(name: string): string {
  return name.replace('leader_election_', 'leader_election.').replace(/_total$/, '')
}
