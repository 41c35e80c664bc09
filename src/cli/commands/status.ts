/**
 * `tenure status`: who leads, since when, with which token, and how much is left of the lease. It only reads. With the
 * name of an election it exits with 0 where somebody leads and 1 where nobody does.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { maskSecrets } from '../../errors.ts'
import { TenureError } from '../../index.ts'
import { type StoreOptions, type Verb, withConnected, withStore } from '../command.ts'
import type { Connected } from '../connected.ts'
import { durationText } from '../durations.ts'
import { exitCode, exitCodeOf } from '../exit-codes.ts'
import { colorsFor, columnsFor, isTerminal, printable, Talk } from '../output.ts'
import { Screen } from '../screen.ts'
import { look, objectOf, type Standing, tableOf } from '../standings.ts'

interface StatusOptions extends StoreOptions {
  readonly json?: boolean | undefined
  readonly watch?: boolean | undefined
}

const WATCH_MS = 1000

export const status: Verb = {
  add(program, _rest, done) {
    withStore(program.command('status').description('show who leads: every election the store knows, or one'))
      .argument('[election]', 'show this one; exit code 0 if somebody leads it, 1 if nobody does')
      .option('--json', 'an array of objects, or one object for one election')
      .option('--watch', 'show it again every second, until interrupted')
      .action((election: string | undefined, options: StatusOptions) => {
        return done(withConnected(options, (connected) => show(connected, election, options)))
      })
  },
}

async function show(connected: Connected, election: string | undefined, options: StatusOptions): Promise<number> {
  if (options.watch) return options.json || !isTerminal(process.stdout) ? tell(connected, election, options) : redraw(connected, election)
  const talk = new Talk(options)
  // Two stores are two leaders: what to look at first where each host has its own.
  if (!options.json) talk.chat('store', `elections in ${connected.where}`)
  const standings = await look(connected, election)
  print(connected, election, standings, options)
  const trouble = standings.find((standing) => standing.trouble)?.trouble
  if (trouble) return exitCodeOf(trouble)
  return election !== undefined && !standings[0]?.lease ? exitCode.notLed : exitCode.ok
}

/** Again and again, what is news alone. */
async function tell(connected: Connected, election: string | undefined, options: StatusOptions): Promise<never> {
  const talk = new Talk(options)
  if (!options.json) talk.chat('store', `elections in ${connected.where}`)
  let shown: string | undefined
  return follow(connected, election, ({ standings, trouble, isNew }) => {
    if (isNew && trouble) talk.note('trouble', `${trouble.message}; asked again every second`, { code: trouble.code })
    if (isNew && !trouble) talk.note('answered', `${connected.where} answers again`)
    const news = JSON.stringify(standings?.map(({ election: name, lease, trouble: why }) => [name, lease?.fencingToken, why?.message]))
    if (trouble || !standings || shown === news) return
    print(connected, election, standings, options)
    shown = news
  })
}

/** Again and again, on a screen of its own. */
async function redraw(connected: Connected, election: string | undefined): Promise<never> {
  const screen = new Screen()
  const { yellow } = colorsFor(process.stdout)
  let answeredAt = performance.now()
  return follow(connected, election, ({ standings, trouble }) => {
    const now = performance.now()
    if (!trouble) answeredAt = now
    const said = trouble && `no answer for ${durationText(now - answeredAt)}: ${trouble.message}`
    screen.show((columns) => [
      printable(connected.where),
      ...(said === undefined ? [] : [yellow(printable(maskSecrets(said)))]),
      '',
      ...(standings?.length === 0 ? ['no elections yet'] : tableOf(standings ?? [], connected, columns)),
      ...(standings ?? []).flatMap(({ trouble: why }) => (why ? [yellow(printable(maskSecrets(why.message)))] : [])),
    ])
  })
}

/** What is known after a look. */
interface Look {
  /** As they were seen last; `undefined` where nothing was seen yet. */
  readonly standings: readonly Standing[] | undefined
  /** Why this look has failed. */
  readonly trouble: TenureError | undefined
  /** Unlike the last look, this one failed, or did not. */
  readonly isNew: boolean
}

/** Look every second, whatever becomes of the store. A store that refuses the first look would refuse every other. */
async function follow(connected: Connected, election: string | undefined, seen: (look: Look) => void): Promise<never> {
  let standings: readonly Standing[] | undefined
  for (let failed = false; ; ) {
    let trouble: TenureError | undefined
    try {
      standings = await look(connected, election)
    } catch (thrown) {
      if (!(thrown instanceof TenureError) || (!standings && thrown.code !== 'store-unreachable')) throw thrown
      trouble = thrown
    }
    seen({ standings, trouble, isNew: failed !== (trouble !== undefined) })
    failed = trouble !== undefined
    await pause(WATCH_MS)
  }
}

function print(connected: Connected, election: string | undefined, standings: readonly Standing[], options: StatusOptions): void {
  const talk = new Talk(options)
  if (standings.length === 0) talk.note('empty', `no elections yet in ${connected.where}`)
  for (const { election: name, trouble } of standings) {
    if (trouble) talk.note('unreadable', trouble.message, { election: name, code: trouble.code })
  }
  const objects = standings.map(objectOf)
  if (options.json) process.stdout.write(`${JSON.stringify(election === undefined ? objects : objects[0])}\n`)
  else if (standings.length > 0) process.stdout.write(`${tableOf(standings, connected, columnsFor(process.stdout)).join('\n')}\n`)
}
