/** The alerts, by Prometheus' own tool: well formed, and each fires when it has to and only then. */

import { execFile } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { viaOpenTelemetry, viaPrometheus, World } from '../metrics/lab.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const alerts = join(root, 'docs/operations/alerts.yml')
const cases = join(root, 'test/operations/alerts.test.yml')

interface Rule {
  readonly alert: string
  expr: string
  annotations?: Record<string, string>
}
interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: Rule[] }[]
}
interface Cases {
  tests: readonly { readonly name: string; readonly alert_rule_test: readonly { readonly alertname: string }[] }[]
}

const promtool = ['/usr/bin', '/usr/local/bin', ...(process.env['PATH'] ?? '').split(delimiter)]
  .map((place) => join(place, 'promtool'))
  .find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
if (!promtool && process.env['CI'] === 'true')
  throw new Error('promtool is not installed here, and with CI=true that is a failure: npm run setup')

const folder = mkdtempSync(join(tmpdir(), 'tenure-alerts-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Run the cases on these rules; resolves with what failed, '' for nothing. Texts for people are left out. */
async function failures(change: (rule: Rule) => void, only?: string): Promise<string> {
  const rules = parse(readFileSync(alerts, 'utf8')) as Rules
  for (const rule of rules.groups.flatMap((group) => group.rules)) {
    change(rule)
    delete rule.annotations
  }
  const all = parse(readFileSync(cases, 'utf8')) as Cases
  if (only) all.tests = all.tests.filter(({ alert_rule_test }) => alert_rule_test.some(({ alertname }) => alertname === only))
  const place = mkdtempSync(join(folder, 'run-'))
  writeFileSync(join(place, 'alerts.yml'), stringify(rules))
  writeFileSync(join(place, 'cases.yml'), stringify(all))
  return promisify(execFile)(promtool ?? '', ['test', 'rules', join(place, 'cases.yml')]).then(
    () => '',
    (thrown: { stdout?: string; stderr?: string }) => `${thrown.stdout ?? ''}${thrown.stderr ?? ''}` || String(thrown),
  )
}

describe.skipIf(!promtool)('alerts', { timeout: 180_000 }, () => {
  test('are rules that Prometheus takes, texts included', async () => {
    const { stdout } = await promisify(execFile)(promtool ?? '', ['check', 'rules', alerts])
    expect(stdout).toMatch(/SUCCESS: 7 rules found/)
  })

  test('fire when they have to, and only then', async () => {
    expect(await failures(() => {})).toBe('')
  })

  test('what is exported over both routes is what Prometheus reads', async () => {
    for (const open of [viaPrometheus(), viaOpenTelemetry()]) {
      const world = new World()
      const route = await open()
      try {
        await world.candidate({ election: 'f "quoted" \\ ü' }).start()
        await world.clock.advance(3000)
        const { text } = await route.scrape()
        const checked = promisify(execFile)(promtool ?? '', ['check', 'metrics'])
        checked.child.stdin?.end(text)
        expect(await checked).toEqual({ stdout: '', stderr: '' })
      } finally {
        await world.end()
        await route.close()
      }
    }
  })

  const faults: readonly (readonly [alert: string, find: string, replace: string])[] = [
    ['TenureNoLeader', ') > 0', ') >= 0'],
    ['TenureNoLeader', 'unless on (election)', 'and on (election)'],
    ['TenureTwoLeaders', '> 1', '> 2'],
    ['TenureTwoLeaders', 'sum by (election)', 'count by (election)'],
    ['TenureTokenFell', 'max_over_time(leader_election_fencing_token[1d])', 'leader_election_fencing_token'],
    ['TenureTokenFell', ' and (leader_election_is_leader == 1)', ''],
    ['TenureFlapping', '[15m:]) > 4', '[15m:]) > 40'],
    ['TenureFlapping', '[15m])) > 4.5', '[15m])) > 45'],
    ['TenureMarginLow', '0.5 *', '5 *'],
    ['TenureMarginLow', 'histogram_quantile(0.05', 'histogram_quantile(0.999'],
    ['TenureWorkOverran', '> 0', '>= 0'],
    ['TenureNoStandby', '> 0', '>= 0'],
    ['TenureNoStandby', '< 2', '< 1'],
  ]
  test.each(faults)('planted fault in %s: %s, made %s', async (alert, find, replace) => {
    let made = 0
    const told = await failures((rule) => {
      if (rule.alert !== alert) return
      if (rule.expr.split(find).length !== 2) throw new Error(`not once in ${alert}: ${find}`)
      rule.expr = rule.expr.replace(find, () => replace)
      made += 1
    }, alert)
    expect(made).toBe(1)
    expect(told).toContain(alert)
    expect(told).toContain('FAILED')
  })
})
