/** What the tests of metrics share: both routes to a scrape over HTTP, a reader of what comes, and a small world to measure. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider, type ViewOptions } from '@opentelemetry/sdk-metrics'
import promClient from 'prom-client'
import { Candidate, type CandidateOptions, type LeaseStore } from '../../src/index.ts'
import { opentelemetry } from '../../src/metrics/opentelemetry.ts'
import { prometheus } from '../../src/metrics/prometheus.ts'
import { memory } from '../../src/stores/memory.ts'
import { ManualClock } from '../../src/testing/index.ts'

export type Labels = Readonly<Record<string, string>>

/** One answer to a scrape. */
export class Scrape {
  readonly text: string
  /** By name of the family. */
  readonly types = new Map<string, string>()
  readonly helps = new Map<string, string>()
  /** By name and labels, in one order whatever order they came in. */
  readonly samples = new Map<string, number>()

  constructor(text: string) {
    this.text = text
    for (const line of text.split('\n')) {
      const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
      if (kind === 'HELP') this.helps.set(name, rest)
      if (kind === 'TYPE') this.types.set(name, rest)
      if (line === '' || line.startsWith('#')) continue
      const [, sample, labels = '', value] = /^([\w:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      if (sample === undefined) throw new Error(`not a sample: ${line}`)
      this.samples.set(keyOf(sample, labelsOf(labels)), value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value))
    }
  }

  value(name: string, labels: Labels = {}): number | undefined {
    return this.samples.get(keyOf(name, labels))
  }

  /** All samples of one name, by their labels. */
  of(name: string): Record<string, number> {
    return Object.fromEntries([...this.samples].filter(([key]) => key === name || key.startsWith(`${name}{`)))
  }
}

function labelsOf(text: string): Labels {
  return Object.fromEntries([...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name = '', value = '']) => [name, value]))
}

function keyOf(name: string, labels: Labels): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return sorted.length === 0 ? name : `${name}{${sorted.map(([label, value]) => `${label}="${value}"`).join(',')}}`
}

/** Metrics that are turned on, and where they are scraped. */
export interface Route {
  scrape(): Promise<Scrape>
  dispose(): void
  close(): Promise<void>
}

export type OpenRoute = () => Promise<Route>

export function viaPrometheus(turnOn: typeof prometheus = prometheus, registry = new promClient.Registry()): OpenRoute {
  return async () => {
    const metrics = turnOn(promClient, { registry })
    return served(metrics, async (_, response) => void response.end(await registry.metrics()))
  }
}

export function viaOpenTelemetry(turnOn: typeof opentelemetry = opentelemetry, views: ViewOptions[] = []): OpenRoute {
  return async () => {
    const exporter = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true, withoutTargetInfo: true })
    const provider = new MeterProvider({ readers: [exporter], views })
    const metrics = turnOn(provider.getMeter('tenure'))
    return served(metrics, (request, response) => exporter.getMetricsRequestHandler(request, response))
  }
}

async function served(
  metrics: { dispose(): void },
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<Route> {
  const server: Server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    scrape: async () => new Scrape(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
    dispose: () => metrics.dispose(),
    async close() {
      metrics.dispose()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Candidates on one clock; all are stopped at the end. */
export class World {
  readonly clock = new ManualClock()
  readonly store: LeaseStore = memory({ clock: this.clock })
  readonly #candidates: Candidate[] = []

  candidate(over: Partial<CandidateOptions> = {}): Candidate {
    const { clock, store } = this
    const timing = { ttlMs: 3000, renewMs: 1000, callMs: 400, marginMs: 600, retryMs: 500 }
    const candidate = new Candidate({ election: 'e', id: 'ann', store, clock, ...timing, ...over })
    candidate.on('trouble', () => {})
    this.#candidates.push(candidate)
    return candidate
  }

  async end(): Promise<void> {
    const stopped = Promise.all(this.#candidates.map((candidate) => candidate.stop()))
    // What work and calls are given to end in passes on this clock.
    for (let round = 0; round < 40; round++) await this.clock.advance(1000)
    await stopped
  }
}
