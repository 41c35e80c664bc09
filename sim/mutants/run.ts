/**
 * Runs the mutants: each on the seed where it was caught last, then, if it lives, on all from the first. What was found
 * is kept in `caught.json`, and with `--record` written there and into the table of `track-record.md`.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { hunt } from '../batch.ts'
import { load } from '../bundle.ts'
import { hex } from '../timeline.ts'
import { type Mutant, mutants } from './list.ts'

interface Caught {
  readonly seed: number
  readonly profile: string
  readonly oracle: string
}

type Record = { [name: string]: Caught }

const RECORD = 'sim/mutants/caught.json'
const TRACK_RECORD = 'sim/track-record.md'
/** A mutant that lives longer is alive. */
const MOST_SEEDS = 1500

/** Whether all of them were caught, save the equivalent ones. */
export async function runMutants(options: { readonly only: string | undefined; readonly record: boolean }): Promise<boolean> {
  const record: Record = existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as Record) : {}
  const wanted = mutants.filter(({ name }) => options.only === undefined || name.includes(options.only))
  let good = true
  const started = process.cpuUsage()
  for (const mutant of wanted) {
    const { name, equivalent } = mutant
    const known = options.record ? undefined : record[name]
    const caught = await catchIt(mutant, known?.seed)
    if (caught) record[name] = caught
    else delete record[name]
    const fine = (caught === undefined) === (equivalent !== undefined)
    if (!fine) good = false
    console.log(
      `${fine ? 'ok ' : 'BAD'} ${(caught ? `${caught.oracle} ${hex(caught.seed)} ${caught.profile}` : 'lives').padEnd(28)} ${name}`,
    )
  }
  const { user, system } = process.cpuUsage(started)
  console.log(`${wanted.length} mutants, ${((user + system) / 1e6).toFixed(1)} s of CPU`)
  if (options.record) write(record)
  return good
}

/** Run one mutant until it is caught. Equivalent ones get a thousand seeds to prove the opposite. */
export async function catchIt(mutant: Mutant, knownSeed?: number): Promise<Caught | undefined> {
  const batch = await load<{ hunt: typeof hunt }>('sim/batch.ts', mutant)
  const again = knownSeed === undefined ? undefined : await batch.hunt(knownSeed, 20, mutant.profile)
  const found = again ?? (await batch.hunt(0, mutant.equivalent ? 1000 : MOST_SEEDS, mutant.profile))
  if (!found?.violation) return undefined
  return { seed: found.plan.seed, profile: found.plan.profile, oracle: found.violation.oracle }
}

function write(record: Record): void {
  writeFileSync(RECORD, `${JSON.stringify(record, undefined, 2)}\n`)
  const rows = mutants.map(({ name, file, equivalent }) => {
    const caught = record[name]
    const [seed, oracle] = caught ? [hex(caught.seed), caught.oracle] : ['none', equivalent ? `equivalent: ${equivalent}` : 'LIVES']
    return `| ${name} | ${file} | ${seed} | ${oracle} |`
  })
  const table = ['| mutant | planted in | first seed | oracle |', '|---|---|---|---|', ...rows].join('\n')
  const page = readFileSync(TRACK_RECORD, 'utf8')
  const [before = '', rest = ''] = page.split('<!-- mutants -->\n')
  const after = rest.split('<!-- end of mutants -->')[1] ?? ''
  writeFileSync(TRACK_RECORD, `${before}<!-- mutants -->\n${table}\n<!-- end of mutants -->${after}`)
}
