/**
 * Runs the mutants: each on the seed where it was caught last, then, if it lives there, on all from the first. What was
 * found is kept in `caught.json`, and with `--record` written there and into the table of `track-record.md`.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { hunt } from '../batch.ts'
import { load } from '../bundle.ts'
import { hex } from '../timeline.ts'
import { type Mutant, mutants } from './list.ts'

export interface Caught {
  /** All before it, from 0 on, did not notice. */
  readonly seed: number
  readonly profile: string
  readonly oracle: string
}

type Record = { [name: string]: Caught }

const RECORD = 'sim/mutants/caught.json'
const TRACK_RECORD = 'sim/track-record.md'
/** A mutant that lives longer is alive. */
const MOST_SEEDS = 2000

/** Whether all of them were caught. */
export async function runMutants(options: { readonly only: string | undefined; readonly record: boolean }): Promise<boolean> {
  const record = recorded()
  const wanted = mutants.filter(({ name }) => options.only === undefined || name.includes(options.only))
  const started = process.cpuUsage()
  let living = 0
  let moved = 0
  for (const mutant of wanted) {
    const { name } = mutant
    const known = options.record ? undefined : record[name]
    const caught = await catchIt(mutant, known)
    if (!caught) living += 1
    else if (known && caught.seed !== known.seed) moved += 1
    console.log(`${(caught ? `${caught.oracle} ${hex(caught.seed)} ${caught.profile}` : 'LIVES').padEnd(28)} ${name}`)
    if (!options.record) continue
    delete record[name]
    if (caught) record[name] = caught
    write(record)
  }
  const { user, system } = process.cpuUsage(started)
  const seconds = ((user + system) / 1e6).toFixed(1)
  console.log(`${wanted.length} mutants: ${wanted.length - living} caught, ${moved} not where they were last, ${seconds} s of CPU`)
  return living === 0
}

export function recorded(): Record {
  return existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, 'utf8')) as Record) : {}
}

/** Run one mutant until it is caught, first where it was caught last. */
export async function catchIt(mutant: Mutant, known?: Caught): Promise<Caught | undefined> {
  const batch = await load<{ hunt: typeof hunt }>('sim/batch.ts', mutant)
  const again = known && (await batch.hunt(known.seed, 1, mutant.profile))
  const found = again ?? (await batch.hunt(0, MOST_SEEDS, mutant.profile))
  if (!found?.violation) return undefined
  return { seed: found.plan.seed, profile: found.plan.profile, oracle: found.violation.oracle }
}

/** In the order of the list, so that a change is easy to see. */
function write(record: Record): void {
  const inOrder = Object.fromEntries(mutants.flatMap(({ name }) => (record[name] ? [[name, record[name]]] : [])))
  writeFileSync(RECORD, `${JSON.stringify(inOrder, undefined, 2)}\n`)
  const rows = mutants.map(({ name, file }) => {
    const caught = record[name]
    return `| ${name} | ${file} | ${caught ? `${caught.seed + 1} | ${caught.oracle}` : 'all | LIVES'} |`
  })
  const table = ['| mutant | planted in | seeds it took | oracle |', '|---|---|---:|---|', ...rows].join('\n')
  const page = readFileSync(TRACK_RECORD, 'utf8')
  const [before = '', rest = ''] = page.split('<!-- mutants -->\n')
  const after = rest.split('<!-- end of mutants -->')[1] ?? ''
  writeFileSync(TRACK_RECORD, `${before}<!-- mutants -->\n${table}\n<!-- end of mutants -->${after}`)
}
