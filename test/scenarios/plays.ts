/**
 * B1 to B4 with real processes: a stalled link, a blocked event loop, SIGSTOP; kill -9 and stop. Never two believers, and
 * no action of a leader that has been superseded, judged from what the processes wrote down themselves.
 */

import { describe, expect, onTestFinished, test } from 'vitest'
import { Stage } from './stage.ts'

export interface Place {
  readonly ttlMs: number
  readonly rounds: number
  /** Where the election is, open until the test has ended. Without it: files of its own. */
  url?(): Promise<string>
}

async function opened({ ttlMs, url }: Place): Promise<Stage> {
  const stage = new Stage(ttlMs, await url?.())
  onTestFinished(() => stage.close())
  await stage.open(3)
  return stage
}

async function judge(stage: Stage, tenures: number): Promise<void> {
  await stage.leader()
  const verdict = stage.verdict()
  expect(verdict.tenures).toBeGreaterThanOrEqual(tenures)
  expect(verdict.actions).toBeGreaterThanOrEqual(tenures)
  expect(verdict.outOfOrder).toBe(0)
}

/** Every scenario, on one store. */
export function plays(name: string, place: Place): void {
  const { ttlMs, rounds } = place
  describe(name, { timeout: 120_000 }, () => {
    test('B1, B2: the link of the leader stalls', async () => {
      const it = await opened(place)
      for (let round = 0; round < rounds; round++) {
        const leader = await it.leader()
        const deposed = leader.next('deposed')
        const elected = it.elected(leader)
        leader.cue({ do: 'stall' })
        await Promise.all([deposed, elected])
        leader.cue({ do: 'heal' })
      }
      await judge(it, rounds + 1)
    })

    test('B3: the event loop of the leader is blocked for three ttl', async () => {
      const it = await opened(place)
      for (let round = 0; round < rounds; ) {
        const leader = await it.leader()
        const elected = it.elected(leader)
        const unblocked = leader.next('unblocked')
        leader.cue({ do: 'block', ms: 3 * ttlMs })
        const { led, isLeader, aborted } = await unblocked
        expect(isLeader).toBe(false)
        await elected
        // On a slow machine it may have lost its lease before the cue came: once more.
        if (!led) continue
        expect(aborted).toBe(true)
        round += 1
      }
      await judge(it, rounds + 1)
    })

    test('B4: the leader is frozen for longer than its ttl', async () => {
      const it = await opened(place)
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
      const it = await opened(place)
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
      await judge(it, 3)
    })
  })
}
