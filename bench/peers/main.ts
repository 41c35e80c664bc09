/**
 * Puts every elector through the same faults, and prints what each did and how it was set. Nothing is asserted. Run by
 * `node bench/peers/run.mjs [elector...]`, where an elector is the name of a module in `electors/`.
 *
 *     --faults, --handovers  only those
 *     --quick                one round of each, to see whether it works
 *     --table                only print what the last run has found
 *     --write                put it into docs/peers.md
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEtcd, startPostgres, startRedis } from '../../test/harness/servers.ts'
import { type Elector, electors, type ServerName } from './catalogue.ts'
import { keep, load, type Result, type Results, textOf, versionOf, write } from './report.ts'
import { freeze, handover, kill, stall } from './scenarios.ts'
import { endAll, type Place } from './stage.ts'

interface Ground {
  readonly port: number
  close(): Promise<void>
}

const grounds: Record<ServerName, () => Promise<Ground>> = {
  redis: () => startRedis(),
  etcd: () => startEtcd(),
  postgres: () => startPostgres(),
  host: async () => ({ port: 0, close: async () => {} }),
}

const kinds = ['faults', 'handovers'] as const

async function measure(elector: Elector, kind: (typeof kinds)[number], quick: boolean): Promise<Partial<Result>> {
  const ground = await grounds[elector.server]()
  const directory = mkdtempSync(join(tmpdir(), 'tenure-peers-'))
  const place: Place = { port: ground.port, directory }
  const rounds = (usual: number) => (quick ? 1 : usual)
  console.error(`${elector.name}: ${kind}, load ${loadavg()[0]?.toFixed(2)}`)
  try {
    if (kind === 'handovers') return { handover: await handover(elector, place, rounds(20)) }
    // Side by side, because they mostly wait.
    const [stalled, frozen] = await Promise.all([
      elector.server === 'host' ? undefined : stall(elector, place, rounds(5)),
      freeze(elector, place, rounds(10)),
    ])
    const killed = await kill(elector, place, rounds(20))
    return { ...(stalled ? { stall: stalled } : {}), freeze: frozen, kill: killed }
  } finally {
    await ground.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

const words = process.argv.slice(2)
const flags = words.filter((word) => word.startsWith('--'))
const names = words.filter((word) => !word.startsWith('--'))
const unknown = names.find((name) => !electors.some(({ module }) => module === name))
if (unknown) {
  console.error(`Unknown elector \`${unknown}\`: expected one of ${[...new Set(electors.map(({ module }) => module))].join(', ')}`)
  process.exit(64)
}
// A frozen process would outlive who froze it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
process.on('exit', endAll)
const wanted = kinds.filter((kind) => flags.includes(`--${kind}`))
const quick = flags.includes('--quick')
const partly = names.length > 0 || wanted.length > 0 || flags.includes('--table')
const results: Results = partly ? load() : {}
if (!flags.includes('--table')) {
  // The harness keeps no process alive.
  const awake = setInterval(() => {}, 60_000)
  for (const kind of wanted.length > 0 ? wanted : kinds) {
    for (const elector of electors) {
      if (names.length > 0 && !names.includes(elector.module)) continue
      try {
        const seen = await measure(elector, kind, quick)
        results[elector.name] = { ...results[elector.name], version: versionOf(elector), ...seen }
      } catch (error) {
        // The others are measured all the same.
        console.error(`${elector.name}: ${error instanceof Error ? error.stack : error}`)
        process.exitCode = 1
      }
      if (!quick) keep(results)
    }
  }
  clearInterval(awake)
}
console.log(textOf(results))
if (flags.includes('--write')) write(results)
