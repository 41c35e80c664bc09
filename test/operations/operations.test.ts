/** What operators are given fits what is exported: alerts, dashboard, runbook and the page of metrics name nothing else. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parser } from '@prometheus-io/lezer-promql'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { ChangeSign } from '../../src/index.ts'
import { counters, gauges, histograms } from '../../src/metrics/catalog.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')

type Entry = { readonly type: string; readonly labels: readonly string[] }
const exported = new Map<string, Entry>([
  ...Object.entries(gauges).map(([name, { labels }]) => [name, { type: 'gauge', labels }] as const),
  ...Object.entries(counters).map(([name, { labels }]) => [name, { type: 'counter', labels }] as const),
  ...Object.entries(histograms).map(([name, { labels }]) => [name, { type: 'histogram', labels }] as const),
])

/** What a query may ask for: a histogram only by its parts. */
const series = new Map<string, readonly string[]>(
  [...exported].flatMap(([name, { type, labels }]): (readonly [string, readonly string[]])[] =>
    type === 'histogram'
      ? [
          [`${name}_bucket`, [...labels, 'le']],
          [`${name}_count`, labels],
          [`${name}_sum`, labels],
        ]
      : [[name, labels]],
  ),
)
/** What Prometheus adds to everything it scrapes. */
const target = ['instance', 'job']

interface Query {
  readonly names: Set<string>
  readonly labels: Set<string>
  readonly matched: (readonly [label: string, value: string])[]
}

/** Take a query of Prometheus apart. Throws where it is none. */
function queryOf(expr: string): Query {
  const query: Query = { names: new Set(), labels: new Set(), matched: [] }
  const text = expr.replaceAll('$__rate_interval', '1m')
  parser.parse(text).iterate({
    enter({ name, from, to, type, node }) {
      const word = text.slice(from, to)
      if (type.isError) throw new Error(`not a query of Prometheus, at ${from}: ${text}`)
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector') query.names.add(word)
      if (name === 'LabelName') query.labels.add(word)
      if (name === 'UnquotedLabelMatcher') {
        const label = node.getChild('LabelName')
        const value = node.getChild('StringLiteral')
        if (label && value) query.matched.push([text.slice(label.from, label.to), text.slice(value.from + 1, value.to - 1)])
      }
    },
  })
  return query
}

/** Everything in a query that is not exported. */
function unknown({ names, labels, matched }: Query): string[] {
  const known = new Set([...target, ...[...names].flatMap((name) => series.get(name) ?? [])])
  const values: Readonly<Record<string, readonly string[]>> = {
    to: ['following', 'leading', 'stopped'] satisfies ChangeSign['to'][],
    reason: ['started', 'elected', 'stopped'] satisfies ChangeSign['reason'][],
  }
  return [
    ...[...names].filter((name) => !series.has(name)),
    ...[...labels].filter((label) => !known.has(label)),
    ...matched.filter(([label, value]) => values[label]?.includes(value) === false).map(([label, value]) => `${label}=${value}`),
  ]
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: Readonly<Record<string, string>>
}
const rules = (parse(read('docs/operations/alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)

interface Panel {
  readonly id: number
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets: readonly { readonly expr: string }[]
}
const dashboard = JSON.parse(read('docs/operations/dashboard.json')) as {
  panels: Panel[]
  templating: { list: { name: string; definition?: string }[] }
}

test('a reader of queries that takes anything would be none', () => {
  expect(() => queryOf('sum by (election (leader_election_is_leader)')).toThrow(/not a query/)
  expect(() => queryOf('rate(leader_election_renewals_total[5 minutes])')).toThrow(/not a query/)
  expect(unknown(queryOf('sum by (candidate) (leader_election_leader)'))).toEqual(['leader_election_leader', 'candidate'])
  expect(unknown(queryOf('leader_election_transitions_total{reason="begun"}'))).toEqual(['reason=begun'])
  expect(unknown(queryOf('leader_election_renewal_margin_seconds{le="1"}'))).toHaveLength(2)
})

describe('alerts', () => {
  test('all that were asked for are there', () => {
    const names = ['NoLeader', 'TwoLeaders', 'TokenFell', 'Flapping', 'MarginLow', 'WorkOverran', 'NoStandby']
    expect(rules.map(({ alert }) => alert)).toEqual(names.map((name) => `Tenure${name}`))
  })

  test.each(rules)('$alert asks for what is exported, and says who is meant', ({ alert, expr, labels, annotations }) => {
    expect(unknown(queryOf(expr))).toEqual([])
    expect(['critical', 'warning']).toContain(labels.severity)
    expect(annotations['summary']).toContain('{{ $labels.election }}')
    expect(annotations['description']).toContain('{{ $labels.election }}')
    expect(annotations['runbook']).toBe(`docs/operations/runbook.md#${alert.toLowerCase()}`)
  })
})

describe('dashboard', () => {
  const { panels } = dashboard

  test.each(panels)('$title', ({ targets }) => {
    expect(targets.length).toBeGreaterThan(0)
    for (const { expr } of targets) expect(unknown(queryOf(expr)), expr).toEqual([])
  })

  test('everything that is exported is shown, but for the alias', () => {
    const asked = new Set(panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => [...queryOf(expr).names])))
    const shown = [...exported.keys()].filter((name) => [...asked].some((one) => one === name || one.startsWith(`${name}_`)))
    expect([...exported.keys()].filter((name) => !shown.includes(name))).toEqual(['leader_election_master_status'])
  })

  test('its choice of elections comes from a metric that is there', () => {
    const { definition = '' } = dashboard.templating.list.find(({ name }) => name === 'election') ?? {}
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
    expect(series.get(metric)).toContain(label)
  })

  test('panels have numbers of their own and do not lie on each other', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24)
  })
})

describe('runbook', () => {
  const sections = new Map(
    read('docs/operations/runbook.md')
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.split('\n')[0] ?? '', section.split('\n').slice(1).join(' ').trim()] as const),
  )

  test('every alert and every error code has a section that says something, and nothing else has one', () => {
    const union = /export type TenureErrorCode =([\s\S]*?)\n\n/.exec(read('src/errors.ts'))?.[1] ?? ''
    const codes = [...union.matchAll(/\| '([a-z-]+)'/g)].map(([, code = '']) => code)
    expect(codes.length).toBeGreaterThanOrEqual(9)
    expect([...sections.keys()].sort()).toEqual([...rules.map(({ alert }) => alert), ...codes].sort())
    expect([...sections].filter(([, text]) => text.length < 80).map(([name]) => name)).toEqual([])
  })

  test('its links lead to its own sections and to files that are there', () => {
    for (const [, link = ''] of read('docs/operations/runbook.md').matchAll(/\]\(([^)]+)\)/g)) {
      if (link.startsWith('#')) expect([...sections.keys()].map((name) => name.toLowerCase())).toContain(link.slice(1))
      else expect(read(join('docs/operations', link)).length).toBeGreaterThan(0)
    }
  })
})

test('the page of metrics lists each with its type and labels', () => {
  const rows = [...read('docs/metrics.md').matchAll(/^\| `(leader_election_\w+)` \| (\w+) \| ([^|]*)\|/gm)]
  const listed = rows.map(([, name = '', type = '', labels = '']) => [
    name,
    { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label) },
  ])
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(exported))
})
