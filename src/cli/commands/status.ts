/**
 * `tenure status`: who leads, since when, with which token, and how much is left of the lease. It only reads. With the
 * name of an election it exits with 0 where somebody leads and 1 where nobody does.
 */

import { setTimeout as pause } from 'node:timers/promises'
import type { Lease } from '../../index.ts'
import { asked, type StoreOptions, type Verb, withConnected, withStore } from '../command.ts'
import type { Connected } from '../connected.ts'
import { durationText } from '../durations.ts'
import { exitCode, usage } from '../exit-codes.ts'
import { colorsFor, isTerminal, printable, Talk, table } from '../output.ts'

interface StatusOptions extends StoreOptions {
  readonly json?: boolean | undefined
  readonly watch?: boolean | undefined
}

interface Standing {
  readonly election: string
  readonly lease: Lease | undefined
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
  // Two stores are two leaders: what to look at first where each host has its own.
  if (!options.json) new Talk(options).chat('store', `elections in ${connected.where}`)
  const redraws = options.watch === true && !options.json && isTerminal(process.stdout)
  for (let shown: string | undefined; ; ) {
    const standings = await look(connected, election)
    const text = textOf(standings, election, connected, options)
    // Without a terminal to redraw only what is news.
    const news = JSON.stringify(standings.map(({ election: name, lease }) => [name, lease?.fencingToken]))
    if (standings.length === 0 && shown !== news) new Talk(options).note('empty', `no elections yet in ${connected.where}`)
    // From the upper left corner, and whatever stood below goes.
    if (redraws) process.stdout.write(`\x1b[H\x1b[J${printable(connected.where)}\n\n${text}\n`)
    else if (text !== '' && shown !== news) process.stdout.write(`${text}\n`)
    if (!options.watch) return election !== undefined && !standings[0]?.lease ? exitCode.notLed : exitCode.ok
    shown = news
    await pause(WATCH_MS)
  }
}

async function look(connected: Connected, election: string | undefined): Promise<readonly Standing[]> {
  const { store } = connected
  return asked(connected, async (signal) => {
    const names = election === undefined ? await elections(connected, signal) : [election]
    return Promise.all(
      names.map(async (name) => {
        const lease = await store.read(name, signal)
        return { election: name, lease: lease && lease.remainingMs > 0 ? lease : undefined }
      }),
    )
  })
}

async function elections({ store, where }: Connected, signal: AbortSignal): Promise<readonly string[]> {
  if (!store.list) throw usage(`${where} cannot list its elections: name one`)
  return [...(await store.list(signal))].sort()
}

function textOf(standings: readonly Standing[], election: string | undefined, { store }: Connected, { json }: StatusOptions): string {
  if (json) {
    const objects = standings.map(objectOf)
    return JSON.stringify(election === undefined ? objects : objects[0])
  }
  if (standings.length === 0) return ''
  const { bold } = colorsFor(process.stdout)
  // Who looks once at a lease that ends by observation has not seen when it was renewed.
  const least = store.expiry === 'observed' ? 'up to ' : ''
  const rows = standings.map((standing) => rowOf(standing, least))
  return table(['ELECTION', 'LEADER', 'SINCE', 'TOKEN', 'LEASE LEFT'], rows, bold)
}

function objectOf({ election, lease }: Standing) {
  if (!lease) return { election, leader: null }
  const { candidate, fencingToken, heldMs, remainingMs, advert } = lease
  return { election, leader: candidate, fencingToken, since: sinceOf(lease), heldMs, remainingMs: Math.round(remainingMs), advert }
}

function rowOf({ election, lease }: Standing, least: string): readonly string[] {
  if (!lease) return [election, '-', '-', '-', '-']
  const since = lease.heldMs === undefined ? '-' : `${sinceOf(lease)} (${durationText(lease.heldMs)})`
  return [election, lease.candidate, since, String(lease.fencingToken), `${least}${durationText(lease.remainingMs)}`]
}

/** By this host's clock, for people. */
function sinceOf({ heldMs }: Lease): string | undefined {
  return heldMs === undefined ? undefined : new Date(Date.now() - heldMs).toISOString().replace(/\.\d+Z$/, 'Z')
}
