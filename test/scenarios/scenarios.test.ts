/**
 * B1 to B4 with real processes on the file store: a stalled link, SIGSTOP, a blocked event loop. Never two believers, and
 * no action of a leader that has been superseded, judged from what the processes wrote down themselves.
 */

import { afterEach, describe, expect, test } from 'vitest'
import { Stage } from './stage.ts'

const ttlMs = 500
const rounds = 3

let stage: Stage | undefined
afterEach(async () => {
  await stage?.close()
  stage = undefined
})

async function opened(): Promise<Stage> {
  stage = new Stage(ttlMs)
  await stage.open(3)
  return stage
}

async function judge(it: Stage, tenures: number): Promise<void> {
  await it.leader()
  const verdict = it.verdict()
  expect(verdict.tenures).toBeGreaterThanOrEqual(tenures)
  expect(verdict.actions).toBeGreaterThanOrEqual(tenures)
  expect(verdict.outOfOrder).toBe(0)
}

describe('with real processes', { timeout: 120_000 }, () => {
  test('B1, B2: the link of the leader stalls', async () => {
    const it = await opened()
    for (let round = 0; round < rounds; round++) {
      const leader = await it.leader()
      const deposed = leader.next('deposed')
      const elected = it.elected(leader)
      leader.cue({ do: 'stall' })
      const [end, begin] = await Promise.all([deposed, elected])
      // It stopped believing before anybody else began.
      expect(end.at).toBeLessThan(begin.at)
      leader.cue({ do: 'heal' })
    }
    await judge(it, rounds + 1)
  })

  test('B3: the event loop of the leader is blocked for three ttl', async () => {
    const it = await opened()
    for (let round = 0; round < rounds; round++) {
      const leader = await it.leader()
      const elected = it.elected(leader)
      const unblocked = leader.next('unblocked')
      leader.cue({ do: 'block', ms: 3 * ttlMs })
      expect(await unblocked).toMatchObject({ isLeader: false, aborted: true })
      await elected
    }
    await judge(it, rounds + 1)
  })

  test('B4: the leader is frozen for longer than its ttl', async () => {
    const it = await opened()
    for (let round = 0; round < rounds; round++) {
      const leader = await it.leader()
      const elected = it.elected(leader)
      const deposed = leader.next('deposed')
      leader.process.kill('SIGSTOP')
      await elected
      leader.process.kill('SIGCONT')
      await deposed
    }
    await judge(it, rounds + 1)
  })

  test('kill -9, and stop: another leads', async () => {
    const it = await opened()
    const leader = await it.leader()
    const elected = it.elected(leader)
    leader.process.kill('SIGKILL')
    await elected
    leader.leads = false
    const next = await it.leader()
    const heir = it.elected(next)
    const stopped = next.next('stopped')
    next.cue({ do: 'stop' })
    await Promise.all([heir, stopped])
    await it.leader()
    const verdict = it.verdict()
    expect(verdict.outOfOrder).toBe(0)
    expect(verdict.tenures).toBe(3)
  })
})
