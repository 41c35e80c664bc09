/** Metrics for OpenTelemetry: the meter is whatever your SDK is set up to export. */

import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
// In your project: 'tenure', 'tenure/memory' and 'tenure/opentelemetry'.
import { Candidate } from '../../src/index.ts'
import { opentelemetry } from '../../src/metrics/opentelemetry.ts'
import { memory } from '../../src/stores/memory.ts'

const exporter = new PrometheusExporter({ host: '127.0.0.1', port: 0, preventServerStart: true })
const provider = new MeterProvider({ readers: [exporter] })
const metrics = opentelemetry(provider.getMeter('tenure'))

const candidate = new Candidate({ election: 'outbox', store: memory() })
await candidate.start()

/** What the SDK has to export now. */
export async function collect() {
  return (await exporter.collect()).resourceMetrics
}

export async function close(): Promise<void> {
  await candidate.stop()
  metrics.dispose()
  await provider.shutdown()
}
