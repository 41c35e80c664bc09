/** The outbox for half a minute: each kind of strike once, judged from what the receiver was offered. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { judge, type Kind, namesOf } from '../../bench/soak/outbox/judge.ts'
import { Stage } from '../../bench/soak/outbox/stage.ts'
import { strike } from '../../bench/soak/outbox/strikes.ts'
import { currentRun } from '../harness/run.ts'
import { until } from '../harness/server.ts'
import { findServer } from '../harness/servers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const ttlMs = 2000
// Patient with a machine that is shared: how long a message waits is measured by the soak.
const bounds = { waitMs: 30_000, batch: 20 }

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

async function opened(more: { readonly service?: string; readonly patienceMs?: number } = {}): Promise<Stage> {
  stage = new Stage({ root, ttlMs, rate: 20, answerMs: 10, chance: Math.random, ...more })
  await stage.open()
  return stage
}

describe.skipIf(!findServer('postgres'))('an outbox in three processes', { timeout: 240_000 }, () => {
  test('whatever is done to its leader, each message is accepted once and in order', async () => {
    const it = await opened()
    const all: Kind[] = ['killMarking', 'follower', 'freezeMarking', 'rolling', 'kill', 'freeze']
    for (const kind of all) await strike(it, kind)
    await it.finish()
    const verdict = judge(it, bounds)
    // A lease that ran out although nobody touched its leader tells of the machine.
    expect(namesOf({ ...verdict.faults, lostToSlowness: 0 })).toEqual([])
    expect(verdict.accepted).toBe(it.inserted.length)
    // Killed with messages sent and not marked: what no sender can avoid did happen, and was recognised.
    expect(verdict.repeats).toBeGreaterThan(0)
    expect(verdict.changes).toBeGreaterThanOrEqual(4)
  })

  test('copies that send without leading are caught', async () => {
    const it = await opened({ service: 'test/examples/outbox-reckless.ts' })
    await until('messages are offered again', () => judge(it, bounds).repeats > 3)
    await it.finish()
    const { faults } = judge(it, bounds)
    expect(faults.strayRepeats).toBeGreaterThan(3)
    expect(faults.byNobody).toBeGreaterThan(0)
    expect(faults.changesAmiss).toBeGreaterThan(0)
  })

  test('without the time-out of idle transactions, a leader frozen inside one holds up the next: caught', async () => {
    const it = await opened({ service: without('idle_in_transaction_session_timeout: ttlMs,'), patienceMs: 12_000 })
    await expect(strike(it, 'freezeMarking')).rejects.toThrow('all is delivered')
    // It was elected all right; the row of the fence is what it waits for.
    const [struck] = it.strikes.flatMap((one) => one.struck)
    const frozen = it.tenures.findIndex(({ fencingToken }) => fencingToken === struck)
    const heir = it.tenures[frozen + 1]
    expect(heir?.service).toEqual(expect.any(String))
    expect(heir?.service).not.toBe(it.tenures[frozen]?.service)
    expect(judge(it, bounds).faults.lost).toBeGreaterThan(0)
  })
})

/** The example with something left out of its table's file, as another service below the project. */
function without(text: string): string {
  const folder = mkdtempSync(join(currentRun().project, 'outbox-mutant-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const name of ['outbox.ts', 'service.ts']) {
    const source = readFileSync(join(root, 'examples', 'outbox', name), 'utf8')
    if (name === 'outbox.ts') expect(source).toContain(text)
    writeFileSync(join(folder, name), source.replace(text, '').replaceAll("'../../", `'${relative(folder, root)}/`))
  }
  return relative(root, join(folder, 'service.ts'))
}
