/** Faults planted in the exporters, each caught by the check that names it: checks that catch nothing would be none. */

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { opentelemetry } from '../../src/metrics/opentelemetry.ts'
import type { prometheus } from '../../src/metrics/prometheus.ts'
import { type Change, plant } from '../harness/plant.ts'
import { checks } from './checks.ts'
import { type OpenRoute, viaOpenTelemetry, viaPrometheus } from './lab.ts'

type Mutant = Change & { readonly check: string }

const collector = 'src/metrics/collector.ts'
const tenure = 'one tenure, in order: leading 1, elected, leading 0, and why'
const reasons = 'reasons are told apart: shut down, connection lost, refused, an error, work failed'
const followers = 'followers export too, and nothing but their own'
const asked = 'who leads is asked at the scrape: a leader that was frozen reads 0'
const renewals = 'each renewal tells how long it took and how much was left'
const timed = 'every call to the store is timed, with what came of it'
const vacant = 'how long nobody led, by how the leader before ended'
const several = 'several candidates and elections in one process: each election by itself, no candidate by its name'
const late = 'turned on late, it learns who stands and who leads from what they do next'
const disposed = 'disposed, it listens no more'

/** In what both routes share: tried over both. */
const shared: readonly Mutant[] = [
  { check: tenure, file: collector, find: "this.#perElection('name', leads, sum, tell)", replace: 'undefined' },
  { check: tenure, file: collector, find: 'stand.tenure = tenure\n', replace: '\n' },
  { check: tenure, file: collector, find: "if (reason !== 'started') this.#sink", replace: 'this.#sink' },
  { check: tenure, file: collector, find: 'of this.#tokens.keys()) values', replace: 'of [] as string[]) values' },
  { check: reasons, file: collector, find: '{ election, to, reason }, 1)', replace: "{ election, to, reason: 'lost' }, 1)" },
  { check: reasons, file: collector, find: '(sign.error as TenureError).code', replace: "'failed'" },
  { check: followers, file: collector, find: "reason: 'elected' }, 0)", replace: "reason: 'elected' }, 1)" },
  { check: followers, file: collector, find: "this.#sink.add('leader_election_work_overruns_total', { election }, 0)\n", replace: '\n' },
  { check: asked, file: collector, find: 'return tenure.held ? 1 : 0', replace: 'return tenure ? 1 : 0' },
  { check: renewals, file: collector, find: 'tenure.remainingMs() / 1000)\n  }', replace: 'tenure.remainingMs())\n  }' },
  { check: renewals, file: collector, find: '(systemClock.mono() - begun) / 1000', replace: 'systemClock.mono() - begun' },
  { check: renewals, file: collector, find: "if (op !== 'renew') return", replace: '' },
  { check: timed, file: collector, find: "'renew', 'read', 'release'] as const", replace: "'renew', 'release'] as const" },
  { check: timed, file: collector, find: '{ store, op, result }, seconds)', replace: "{ store, op, result: 'done' }, seconds)" },
  { check: vacant, file: collector, find: "lapsed ? 'lapsed' : 'released'", replace: "lapsed ? 'released' : 'lapsed'" },
  {
    check: 'work that does not end is counted',
    file: collector,
    find: "error.code === 'work-overran'",
    replace: "error.code === 'work-failed'",
  },
  { check: several, file: collector, find: 'merge(values.get(election) ?? 0, of(tenure))', replace: 'of(tenure)' },
  { check: several, file: collector, find: '{ [label]: election }, value)', replace: "{ [label]: 'e' }, value)" },
  { check: late, file: collector, find: 'this.#join(sign, sign.tenure)', replace: 'this.#join(sign)' },
  { check: late, file: collector, find: "if (op !== 'release' && !this.#stands.has(sign.by))", replace: 'if (false)' },
  {
    check: disposed,
    file: collector,
    find: 'this.#subscriptions) unsubscribe(name, listener)',
    replace: 'this.#subscriptions) void listener',
  },
  { check: 'a loop that was blocked is seen', file: 'src/metrics/loop-delay.ts', find: 'histogram.enable()', replace: '' },
  { check: 'a loop that was blocked is seen', file: 'src/metrics/loop-delay.ts', find: '.max / 1e6', replace: '.mean / 1e6' },
]

const own: readonly (Mutant & { readonly route: 'prometheus' | 'opentelemetry' })[] = [
  { route: 'prometheus', check: tenure, file: 'src/metrics/prometheus.ts', find: '?.inc(labels, by)', replace: '?.inc(labels, 1)' },
  {
    route: 'prometheus',
    check: reasons,
    file: 'src/metrics/catalog.ts',
    find: "labels: ['election', 'result']",
    replace: "labels: ['election']",
  },
  { route: 'prometheus', check: disposed, file: 'src/metrics/prometheus.ts', find: 'collector.dispose()\n', replace: '\n' },
  { route: 'opentelemetry', check: tenure, file: 'src/metrics/opentelemetry.ts', find: '?.add(by, labels)', replace: '?.add(1, labels)' },
  {
    route: 'opentelemetry',
    check: tenure,
    file: 'src/metrics/opentelemetry.ts',
    find: "'leader_election.')",
    replace: "'leader.election.')\n.concat('.x')",
  },
  { route: 'opentelemetry', check: disposed, file: 'src/metrics/opentelemetry.ts', find: 'collector.dispose()\n', replace: '\n' },
]

const open = {
  async prometheus(change: Change): Promise<OpenRoute> {
    return viaPrometheus(((await plant('src/metrics/prometheus.ts', [change])) as { prometheus: typeof prometheus }).prometheus)
  },
  async opentelemetry(change: Change): Promise<OpenRoute> {
    return viaOpenTelemetry(
      ((await plant('src/metrics/opentelemetry.ts', [change])) as { opentelemetry: typeof opentelemetry }).opentelemetry,
    )
  },
}

const planted = [
  ...shared.flatMap((mutant) => [
    { route: 'prometheus' as const, ...mutant },
    { route: 'opentelemetry' as const, ...mutant },
  ]),
  ...own,
]

// An exporter with a fault may fail where it counts, which it tells of by a warning.
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => {}))
afterAll(() => void vi.restoreAllMocks())

describe('planted faults', () => {
  test.each(planted)('$route: $find, caught by: $check', async ({ route, check: name, ...change }) => {
    const check = checks.find((each) => each.name === name)
    if (!check) throw new Error(`no check is called ${name}`)
    await expect(check.run(await open[route](change))).rejects.toThrow()
  })

  test('every check catches one', () => {
    const caught = new Set(planted.map(({ check }) => check))
    expect(checks.filter(({ name }) => !caught.has(name)).map(({ name }) => name)).toEqual([])
  })
})
