/**
 * Puts every elector through the same faults, and prints one table, and what it rests on. Run by `node bench/peers/run.mjs [elector...]`, where
 * an elector is the name of a module in `electors/`; nothing is asserted. `--quick`: one round of each, to see whether it
 * works. `--table`: only print what the last run has found. `--write`: put the tables into docs/peers.md.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEtcd, startPostgres, startRedis } from '../../test/harness/servers.ts'
import { type Elector, electors, type ServerName } from './catalogue.ts'
import { keep, load, type Results, textOf, versionOf, write } from './report.ts'
import { freeze, handover, kill, stall } from './scenarios.ts'
import type { Place } from './stage.ts'

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

async function measure(elector: Elector, quick: boolean, results: Results): Promise<void> {
  const ground = await grounds[elector.server]()
  const directory = mkdtempSync(join(tmpdir(), 'tenure-peers-'))
  const place: Place = { port: ground.port, directory }
  const rounds = (usual: number) => (quick ? 1 : usual)
  const [load = 0] = loadavg()
  console.error(`${elector.name}: load ${load.toFixed(2)}`)
  try {
    // Side by side, because they mostly wait; only handovers are short enough to be disturbed by them.
    const [stalled, frozen, killed] = await Promise.all([
      elector.server === 'host' ? undefined : stall(elector, place, rounds(5)),
      freeze(elector, place, rounds(10)),
      kill(elector, place, rounds(20)),
    ])
    const handed = await handover(elector, place, quick ? 3 : 20)
    results[elector.name] = {
      version: versionOf(elector),
      load,
      ...(stalled ? { stall: stalled } : {}),
      freeze: frozen,
      handover: handed,
      kill: killed,
    }
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
const partly = names.length > 0 || flags.includes('--table')
const results: Results = partly ? load() : {}
if (!flags.includes('--table')) {
  // The harness keeps no process alive.
  const awake = setInterval(() => {}, 60_000)
  for (const elector of electors) {
    if (names.length > 0 && !names.includes(elector.module)) continue
    try {
      await measure(elector, flags.includes('--quick'), results)
    } catch (error) {
      // The others are measured all the same.
      console.error(`${elector.name}: ${error instanceof Error ? error.stack : error}`)
      process.exitCode = 1
    }
    if (!flags.includes('--quick')) keep(results)
  }
  clearInterval(awake)
}
console.log(textOf(results))
if (flags.includes('--write')) write(results)
