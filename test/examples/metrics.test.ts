/** The examples of metrics and logs, run as they are. */

import { expect, test } from 'vitest'

test('Prometheus: what is served says who leads', async () => {
  const example = await import('../../examples/metrics/prometheus.ts')
  try {
    const text = await (await fetch(`http://127.0.0.1:${await example.open()}/metrics`)).text()
    expect(text).toContain('leader_election_is_leader{election="outbox"} 1')
  } finally {
    await example.close()
  }
})

test('OpenTelemetry: so does what the SDK collects', async () => {
  const example = await import('../../examples/metrics/opentelemetry.ts')
  try {
    const { scopeMetrics } = await example.collect()
    const gauge = scopeMetrics[0]?.metrics.find(({ descriptor }) => descriptor.name === 'leader_election.is_leader')
    expect(gauge?.dataPoints).toMatchObject([{ attributes: { election: 'outbox' }, value: 1 }])
  } finally {
    await example.close()
  }
})

test('pino: it runs to its end', async () => {
  await import('../../examples/metrics/pino.ts')
})
