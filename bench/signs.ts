/**
 * What signs of life cost a call to the store: without them (the line that makes them taken out), with nobody listening,
 * and with each exporter of metrics. A call is a renewal that a store answers at once, so that all the rest of the cost is
 * the library's own; what counts is time of the processor. Rounds take turns, and what is told is the median with the span of the middle 80 %. Nothing is
 * asserted. Run by `node scripts/bundled.mjs bench/signs.ts [rounds]`.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { build } from 'esbuild'
import promClient from 'prom-client'
import { systemClock } from '../src/clock.ts'
import type { Envoy, EnvoyListener } from '../src/envoy.ts'
import type { LeaseStore } from '../src/index.ts'
import { opentelemetry } from '../src/metrics/opentelemetry.ts'
import { prometheus } from '../src/metrics/prometheus.ts'
import type { Settings } from '../src/options.ts'
import { Trace } from '../src/signs.ts'
import type { Call } from '../src/states.ts'

const CALLS = 20_000
const rounds = Number(process.argv[2] ?? 30)

const begin = 'const trace = Trace.begin(call.verb, () => this.#listener.signOf(call))'
type Make = new (settings: Settings, listener: EnvoyListener) => Envoy
const load = async (line: string): Promise<Make> => {
  // Run from the root of the project: that is where `npm run figures` is.
  const resolveDir = join(process.cwd(), 'src')
  const source = readFileSync(join(resolveDir, 'envoy.ts'), 'utf8')
  if (!source.includes(begin)) throw new Error(`src/envoy.ts does not say: ${begin}`)
  const stdin = { contents: source.replace(begin, line), resolveDir, loader: 'ts' as const }
  const { outputFiles } = await build({ stdin, bundle: true, write: false, platform: 'node', format: 'esm', target: 'node20' })
  const code = Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')
  return ((await import(`data:text/javascript;base64,${code}`)) as { Envoy: Make }).Envoy
}
const without = await load('const trace: Trace | undefined = undefined')
const withSigns = await load(`${begin};`)

const cases: readonly { readonly name: string; readonly make: Make; readonly turnOn?: () => { dispose(): void } }[] = [
  { name: 'without signs', make: without },
  { name: 'nobody listens', make: withSigns },
  { name: 'prom-client', make: withSigns, turnOn: () => prometheus(promClient, { registry: new promClient.Registry() }) },
  { name: 'OpenTelemetry', make: withSigns, turnOn: () => opentelemetry(meter()) },
]

const spent = new Map<string, number[]>(cases.map(({ name }) => [name, []]))
for (let round = -3; round < rounds; round++) {
  for (const { name, make, turnOn } of cases) {
    const metrics = turnOn?.()
    globalThis.gc?.()
    const ns = await measured(make)
    metrics?.dispose()
    // The first rounds are for the compiler.
    if (round >= 0) spent.get(name)?.push(ns)
  }
}

const base = at(spent.get('without signs') ?? [], 0.5)
console.log(`${rounds} rounds of ${CALLS} renewals each; per call, median (and from 10 % to 90 %):`)
for (const [name, all] of spent) {
  const [low, middle, high] = [at(all, 0.1), at(all, 0.5), at(all, 0.9)]
  console.log(`${name.padEnd(15)} ${middle.toFixed(0)} ns (${low.toFixed(0)} to ${high.toFixed(0)}), ${(middle - base).toFixed(0)} ns more`)
}

console.log(`the question alone, nobody listening: ${questions().toFixed(0)} ns`)

/** Nanoseconds of what a call asks when nobody listens, without the call. */
function questions(): number {
  const sign = { by: {}, election: 'e', candidate: 'c', store: 'bench' }
  const count = 5_000_000
  const from = process.cpuUsage()
  for (let i = 0; i < count; i++) Trace.begin('renew', () => ({ ...sign }))?.done('renewed')
  const { user, system } = process.cpuUsage(from)
  return ((user + system) / count) * 1000
}

/** Nanoseconds of one call. */
async function measured(make: Make): Promise<number> {
  let answered: () => void = () => {}
  const tenure = { fencingToken: 1, held: true, remainingMs: () => 9000 }
  const sign = { by: {}, election: 'e', candidate: 'c', store: 'bench', tenure: tenure as never }
  const listener: EnvoyListener = {
    answered: () => answered(),
    failed: (_, error) => {
      throw error
    },
    signOf: () => ({ ...sign }),
    learned: () => {},
  }
  const store: Pick<LeaseStore, 'name' | 'renew'> = { name: 'bench', renew: () => Promise.resolve(15_000) }
  const settings = { election: 'e', id: 'c', store, timing: { ttlMs: 15_000 }, clock: systemClock, unref: true }
  const envoy = new make(settings as never, listener)
  const sent = { mono: 0, wall: 0 }
  const from = process.cpuUsage()
  for (let number = 0; number < CALLS; number++) {
    const call: Call = { verb: 'renew', attempt: 1, number, sent, limitMs: 2500 }
    const answer = new Promise<void>((resolve) => {
      answered = resolve
    })
    envoy.send(call, true)
    await answer
  }
  // Time of the processor: others may have it in between.
  const { user, system } = process.cpuUsage(from)
  return ((user + system) / CALLS) * 1000
}

function meter() {
  const exporter = new PrometheusExporter({ preventServerStart: true })
  return new MeterProvider({ readers: [exporter] }).getMeter('tenure')
}

function at(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
