/**
 * `npm run soak -- outbox --minutes 20`: three processes of the outbox example on a real Postgres, killed, frozen and
 * restarted at random, while messages come at a steady rate. Exit code 1 if the judge finds a fault.
 */

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Bounds, judge, type Kind, kinds, median, namesOf } from './judge.ts'
import { pause, Stage } from './stage.ts'
import { strike } from './strikes.ts'

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    minutes: { type: 'string', default: '20' },
    ttl: { type: 'string', default: '3000' },
    rate: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
})
const minutes = numberOf('minutes', values.minutes, 0.1, 60)
const ttlMs = numberOf('ttl', values.ttl, 500, 60_000)
const rate = numberOf('rate', values.rate, 1, 200)
const chance = chanceOf(numberOf('seed', values.seed, 0, 2 ** 32))
// The lease, a look, a poll of the leader, and a second for what piled up meanwhile and for a machine that has more to do.
const bounds: Bounds = { waitMs: ttlMs + ttlMs / 3 + 100 + 1000, batch: 20 }

const stage = new Stage({ root: rootOf(dirname(fileURLToPath(import.meta.url))), ttlMs, rate, answerMs: 10, chance })
try {
  await stage.open()
  console.log(`outbox: 3 services, ttl ${ttlMs} ms, ${rate} messages a second, ${minutes} minutes, seed ${values.seed}`)
  await chaos(performance.now() + minutes * 60_000)
  await stage.finish()
} catch (error) {
  console.log(`broke off: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  await stage.close()
}
report()

async function chaos(until: number): Promise<void> {
  let nextLine = performance.now() + 60_000
  // Each kind comes once before any comes again.
  for (let bag: Kind[] = []; performance.now() < until; ) {
    await pause(500 + chance() * 2500)
    if (bag.length === 0) bag = [...kinds]
    const [kind = 'kill'] = bag.splice(Math.floor(chance() * bag.length), 1)
    await strike(stage, kind)
    if (performance.now() < nextLine) continue
    console.log(`${Math.max(0, Math.round((until - performance.now()) / 1000))} s left; ${stage.offers.length} offers, ${counts()}`)
    nextLine += 60_000
  }
}

function report(): void {
  const verdict = judge(stage, bounds)
  const { faults, longestMs } = verdict
  const ms = (kind: Kind | 'calm') => `${kind} ${Math.round(longestMs[kind])}`
  const third = Math.max(1, Math.floor(stage.samples.length / 3))
  const connections = stage.samples.map((sample) => sample.connections)
  const speed = (part: typeof stage.samples) => {
    const [first, last] = [part[0], part.at(-1)]
    return first && last && last !== first ? ((last.transactions - first.transactions) / (last.at - first.at)) * 1000 : 0
  }
  console.log(`strikes: ${counts()}`)
  console.log(
    `messages ${stage.inserted.length}, accepted ${verdict.accepted}, accepted twice ${faults.acceptedTwice}, lost ${faults.lost}, out of order ${faults.outOfOrder}, stale accepted ${faults.staleAccepted}`,
  )
  console.log(
    `offered again ${verdict.repeats}, of these not by the heir of a dead or frozen leader ${faults.strayRepeats}; refused as stale ${verdict.refused}`,
  )
  console.log(`longest wait in ms: ${[...kinds, 'calm' as const].map(ms).join(', ')} (bound ${Math.round(bounds.waitMs)})`)
  console.log(
    `changes of leader ${verdict.changes}, amiss ${faults.changesAmiss}, lost to slowness ${faults.lostToSlowness}, most in one rolling restart ${verdict.mostChangesInRolling}`,
  )
  console.log(
    `connections ${median(connections.slice(0, third))} -> ${median(connections.slice(-third))}, transactions a second ${speed(stage.samples.slice(0, third + 1)).toFixed(1)} -> ${speed(stage.samples.slice(-third - 1)).toFixed(1)}`,
  )
  for (const line of stage.troubles.slice(0, 20)) console.log(`trouble: ${line}`)
  const found = namesOf(faults)
  console.log(found.length === 0 && process.exitCode !== 1 ? 'no fault' : `FAULTS: ${found.join(', ') || 'broke off'}`)
  if (found.length > 0) process.exitCode = 1
}

function counts(): string {
  return kinds.map((kind) => `${kind} ${stage.strikes.filter((it) => it.kind === kind).length}`).join(', ')
}

function numberOf(option: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= least && value <= most) return value
  console.error(`Expected --${option} to be a number from ${least} to ${most}, got ${JSON.stringify(text)}`)
  process.exit(2)
}

/** This file runs from where it is bundled to. */
function rootOf(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootOf(dirname(folder))
}

function chanceOf(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
