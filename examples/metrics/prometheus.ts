/** Metrics for Prometheus: turned on once, before the first candidate starts, and served beside the work. */

import { createServer } from 'node:http'
import client from 'prom-client'
// In your project: 'tenure', 'tenure/memory' and 'tenure/prometheus'.
import { Candidate } from '../../src/index.ts'
import { prometheus } from '../../src/metrics/prometheus.ts'
import { memory } from '../../src/stores/memory.ts'

const metrics = prometheus(client)

const server = createServer(async (_, response) => {
  response.setHeader('content-type', client.register.contentType)
  response.end(await client.register.metrics())
})

const candidate = new Candidate({ election: 'outbox', store: memory() })
await candidate.start()

export async function open(): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

export async function close(): Promise<void> {
  await candidate.stop()
  metrics.dispose()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}
