/** The rules of the house, as tests: which way imports run, where time may be read, what a file looks like. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const sources = tracked.filter((file) => file.startsWith('src/') && file.endsWith('.ts'))

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

function importsOf(file: string): Import[] {
  const found = read(file).matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'";]*?from\s+)?'([^']+)'|import\('([^']+)'\)/gm)
  return [...found].map(([text, type, from, dynamic]) => {
    const target = from ?? dynamic ?? ''
    const names = /\{([^}]*)\}/
      .exec(text)?.[1]
      ?.split(',')
      .filter((name) => name.trim() !== '')
    const typeOnly =
      type !== undefined || (names !== undefined && names.length > 0 && names.every((name) => name.trim().startsWith('type ')))
    return { from: file, to: target.startsWith('.') ? normalize(join(dirname(file), target)) : target, typeOnly }
  })
}

const imports = sources.flatMap(importsOf)
const isCore = (file: string) => /^src\/[^/]+\.ts$/.test(file)
const names = (list: readonly Import[]) => list.map(({ from, to }) => `${from} -> ${to}`)

/** What a core module may use of the others, apart from types of store.ts and clock.ts. */
const mayUse: Readonly<Record<string, readonly string[]>> = {
  index: ['candidate', 'clock', 'errors', 'events', 'fence', 'lead', 'observer', 'options', 'signs', 'states', 'store', 'tenure'],
  lead: ['errors', 'options', 'shell', 'tenure'],
  candidate: ['events', 'options', 'shell', 'tenure'],
  shell: [
    'election',
    'engine',
    'envoy',
    'errors',
    'events',
    'knowledge',
    'options',
    'signs',
    'standing',
    'states',
    'tenure',
    'timing',
    'troubles',
    'watch',
  ],
  observer: ['clock', 'errors', 'events', 'knowledge', 'options', 'timing', 'troubles', 'watch'],
  engine: ['clock', 'election', 'states', 'timing'],
  envoy: ['errors', 'options', 'signs', 'states'],
  signs: ['errors', 'states', 'tenure'],
  troubles: ['errors', 'options'],
  watch: ['errors'],
  standing: ['errors'],
  knowledge: ['events'],
  events: ['errors', 'states', 'tenure'],
  options: ['clock', 'errors', 'tenure', 'timing'],
  tenure: ['clock', 'errors', 'states'],
  election: ['states', 'timing'],
  states: ['timing'],
  timing: [],
  failover: ['failover/bus', 'failover/events', 'failover/failover', 'failover/settings', 'failover/status'],
  once: ['errors', 'lead', 'options', 'once/run', 'store', 'tenure'],
  gates: ['candidate', 'options', 'tenure'],
  fence: ['errors'],
  errors: [],
  clock: [],
  store: [],
}

/** What a pool of pg does to whoever stops waiting for it is the same for a store and a bus. */
const isPoolOfBus = (from: string, to: string) => from === 'src/failover/buses/postgres.ts' && to === 'src/stores/shared/checkouts.ts'

describe('imports run one way', () => {
  test('the core uses only what its place allows, and nothing outside itself', () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      if (!isCore(from)) return false
      if (typeOnly && /^src\/(store|clock)\.ts$/.test(to)) return false
      if (from === 'src/failover.ts' && to.startsWith('src/failover/buses/')) return false
      return !mayUse[from.slice(4, -3)]?.includes(to.slice(4, -3))
    })
    expect(names(wrong)).toEqual([])
  })

  test('every core module has its place', () => {
    expect(sources.filter((file) => isCore(file) && !(file.slice(4, -3) in mayUse))).toEqual([])
  })

  test('runOnce stands on the core, and on no store', () => {
    const wrong = imports.filter(({ from, to }) => from.startsWith('src/once/') && !/^src\/([^/]+|once\/[^/]+)\.ts$/.test(to))
    expect(names(wrong)).toEqual([])
  })

  test('stores know leases, errors and the clock, and nothing else of the core', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (!from.startsWith('src/stores/') || !to.startsWith('src/')) return false
      return !to.startsWith('src/stores/') && !/^src\/(store|errors|clock)\.ts$/.test(to)
    })
    expect(names(wrong)).toEqual([])
  })

  test('metrics and loggers only listen: they know signs, not candidates', () => {
    const allowed = /^src\/(metrics\/|loggers\/|clock|errors|options)/
    const typesAllowed = /^src\/(signs|tenure)\.ts$/
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      if (!/^src\/(metrics|loggers)\//.test(from) || !to.startsWith('src/')) return false
      return !allowed.test(to) && !(typeOnly && typesAllowed.test(to))
    })
    expect(names(wrong)).toEqual([])
    expect(
      names(imports.filter(({ from, to }) => /^src\/(metrics|loggers)\//.test(to) && !/^src\/(metrics|loggers)\//.test(from))),
    ).toEqual([])
  })

  test('a store does not use the parts of another; what they share is in stores/shared', () => {
    const family = (file: string) => /^src\/stores\/([^/.]+)/.exec(file)?.[1]
    const wrong = imports.filter(({ from, to }) => {
      const [mine, theirs] = [family(from), family(to)]
      if (!mine || !theirs || mine === theirs || theirs === 'shared') return false
      // One server, two stores: the advisory lock uses the connections of the rows.
      return !(mine === 'postgres-advisory' && theirs === 'postgres')
    })
    expect(names(wrong)).toEqual([])
  })

  test('failover uses the core; of the stores it knows the default alone, and in one place', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (!from.startsWith('src/failover/') || !to.startsWith('src/') || to.startsWith('src/failover/')) return false
      return !isCore(to) && !(from === 'src/failover/defaults.ts' && to === 'src/stores/file.ts') && !isPoolOfBus(from, to)
    })
    const upwards = imports.filter(({ from, to }) => to.startsWith('src/failover') && !/^src\/(failover|testing)\b/.test(from))
    expect(names([...wrong, ...upwards])).toEqual([])
  })

  test('a bus knows the contract and the clock, and nothing of roles', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (!from.startsWith('src/failover/buses/') || !to.startsWith('src/')) return false
      return !to.startsWith('src/failover/buses/') && !/^src\/(failover\/bus|clock|errors|options)\.ts$/.test(to) && !isPoolOfBus(from, to)
    })
    expect(names(wrong)).toEqual([])
  })

  test('nobody imports the command line, and only the core is imported by it from above the stores', () => {
    const wrong = imports.filter(({ from, to }) => to.startsWith('src/cli/') && !from.startsWith('src/cli/'))
    expect(names(wrong)).toEqual([])
  })

  test('nothing but types is imported in a circle', () => {
    const graph = new Map<string, string[]>()
    for (const { from, to, typeOnly } of imports) if (!typeOnly && to.startsWith('src/')) graph.set(from, [...(graph.get(from) ?? []), to])
    const walk = (file: string, trail: readonly string[]): string[] => {
      if (trail.includes(file)) return [[...trail.slice(trail.indexOf(file)), file].join(' -> ')]
      return (graph.get(file) ?? []).flatMap((next) => walk(next, [...trail, file]))
    }
    expect([...new Set(sources.filter(isCore).flatMap((file) => walk(file, [])))]).toEqual([])
  })

  test('the library imports no package: clients are the caller’s', () => {
    const wrong = imports.filter(({ from, to }) => !from.startsWith('src/cli/') && !to.startsWith('src/') && !to.startsWith('node:'))
    expect(names(wrong)).toEqual([])
  })

  test('the core needs nothing of Node: it also loads elsewhere', () => {
    expect(names(imports.filter(({ from, to }) => isCore(from) && to.startsWith('node:')))).toEqual([])
  })
})

describe('what is written where', () => {
  test('time and chance are drawn in clock.ts alone', () => {
    const banned =
      /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bset(Timeout|Interval|Immediate)\b|\bMath\.random\b|\brandomUUID\b|\bgetRandomValues\b|\bhrtime\b/
    const wrong = sources.filter(
      (file) => file !== 'src/clock.ts' && !file.startsWith('src/cli/') && banned.test(withoutComments(read(file))),
    )
    expect(wrong).toEqual([])
  })

  test('every source opens by saying what it is', () => {
    expect(sources.filter((file) => !/^(#!.*\n)?\/\*\*/.test(read(file)))).toEqual([])
  })

  test('no type is escaped, nothing is swallowed, nothing is left to do', () => {
    const banned = /: any\b|as any\b|as unknown as|@ts-ignore|@ts-nocheck|catch\s*(\([a-z_]*\))?\s*\{\s*\}|\bTODO\b|\bFIXME\b/
    expect(sources.filter((file) => banned.test(withoutComments(read(file))))).toEqual([])
  })

  test('files hold one idea: none above 350 lines, the median at about a hundred', () => {
    const lines = sources.map((file) => ({ file, lines: read(file).split('\n').length - 1 })).sort((a, b) => a.lines - b.lines)
    expect(lines.filter((entry) => entry.lines > 350)).toEqual([])
    expect(lines[Math.floor(lines.length / 2)]?.lines).toBeLessThan(150)
  })

  test('the project speaks of itself alone', () => {
    const files = tracked.filter((file) => file !== 'test/house.test.ts' && !file.endsWith('.png'))
    const banned = /\/(work|root|home)\/[a-z]|registry\.npmjs|deb\.debian\.org/
    expect(files.filter((file) => banned.test(read(file)))).toEqual([])
  })
})

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}
