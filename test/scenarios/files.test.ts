/** B1 to B4 on files of one host. */

import { expect, onTestFinished, test } from 'vitest'
import { plays } from './plays.ts'
import { Stage } from './stage.ts'

plays('the file store', { ttlMs: 500, rounds: 3 })

test('the stage: a leader that cannot tell of its end is none once another has acted', async () => {
  const stage = new Stage(2000)
  onTestFinished(() => stage.close())
  await stage.open(2)
  const frozen = await stage.leader()
  frozen.process.kill('SIGSTOP')
  const { fencingToken } = await stage.elected(frozen)
  const heir = stage.actors.find((actor) => actor !== frozen)
  while (heir && heir.acted < fencingToken) await heir.next('acted')
  expect(frozen.leads).toBe(true)
  expect(await stage.leader()).toBe(heir)
  // It has been told of already.
  expect((await stage.elected(frozen)).fencingToken).toBe(fencingToken)
})
