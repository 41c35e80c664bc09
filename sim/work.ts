/**
 * What users let run while they lead: good work that stops when it is told to, and all the bad kinds. Each tenure draws
 * its kind from the quirks of its slot.
 */

import type { Tenure } from '../src/index.ts'
import type { Fault } from './faults.ts'
import type { Member } from './member.ts'

type WorkQuirk = Extract<Fault, { kind: 'work' }>

export function workOf(member: Member, tenure: Tenure): unknown {
  const { witness, plan, calm } = member.cluster
  const quirks = plan.faults.filter((fault): fault is WorkQuirk => fault.kind === 'work' && fault.slot === member.slot)
  const quirk = calm || quirks.length === 0 || member.chance.hit(0.3) ? undefined : quirks[member.chance.below(quirks.length)]
  member.working = tenure
  witness.tell('workBegan', member, tenure)
  member.cluster.world.note(member.name, 'work begins', quirk?.nature ?? 'well')
  if (quirk) member.cluster.world.count(`work:${quirk.nature}`)
  const ended = () => {
    member.cluster.world.note(member.name, 'work ends')
    member.working = undefined
    member.cools()
    witness.tell('workEnded', member, tenure)
  }
  if (quirk?.nature === 'throws-at-once') {
    ended()
    throw new Error('work throws at once')
  }
  const running = quirk ? misbehave(member, tenure, quirk) : behave(member, tenure)
  return running.finally(ended)
}

/** Writes to the guarded resource until its tenure ends. */
async function behave(member: Member, tenure: Tenure): Promise<void> {
  const { cluster } = member
  const pause = cluster.timing.ttlMs * (0.2 + 0.5 * member.chance.next())
  if (cluster.plan.askEvery === 0) await listening(member, tenure, pause)
  else {
    do cluster.resource.write(member, tenure)
    while (await tenure.sleep(pause))
  }
  const { orders } = member
  if (orders) await new Promise<void>((resolve) => member.host.setTimer(orders.lingerMs, resolve))
}

/** Work that only listens: nobody asks the clock on its behalf. */
async function listening(member: Member, tenure: Tenure, pause: number): Promise<void> {
  let aborted = tenure.signal.aborted
  let wake = () => {}
  const end = () => {
    aborted = true
    wake()
  }
  tenure.signal.addEventListener('abort', end, { once: true })
  while (!aborted) {
    member.cluster.resource.write(member, tenure)
    await new Promise<void>((resolve) => {
      wake = resolve
      member.host.setTimer(pause, resolve)
    })
  }
}

async function misbehave(member: Member, tenure: Tenure, { nature, ms }: WorkQuirk): Promise<void> {
  switch (nature) {
    case 'returns':
      return
    case 'throws':
      await member.rest(ms)
      if (member.cluster.calm) return behave(member, tenure)
      throw new Error('work throws')
    case 'throws-at-once':
      return
    case 'lingers':
      await behave(member, tenure)
      return member.rest(ms)
    case 'stuck':
      await behave(member, tenure)
      return member.rest(1e12)
    case 'blocks':
      member.cluster.resource.write(member, tenure)
      member.host.block(ms)
      member.cluster.world.count('blockedInTurn')
      member.cluster.resource.write(member, tenure)
      return behave(member, tenure)
    case 'steps-down':
      await member.rest(ms)
      if (!member.cluster.calm) void member.stepDown(ms, member.chance.hit(0.5) ? tenure : undefined)
      return behave(member, tenure)
    case 'stops':
      await member.rest(ms)
      if (member.cluster.calm) return behave(member, tenure)
      void member.stop()
      member.startLater(ms * 2)
      return behave(member, tenure)
    case 'completes': {
      await member.rest(ms)
      if (member.cluster.calm) return behave(member, tenure)
      member.complete()
      member.startLater(ms * 2)
      return
    }
    case 'awaits-stop': {
      await member.rest(ms)
      if (member.cluster.calm) return behave(member, tenure)
      // Waits for itself: ends as overrun, never in a deadlock.
      const stopped = member.stop()
      member.startLater(ms * 2)
      return Promise.race([stopped, member.rest(1e12)])
    }
    case 'meddles':
      await behave(member, tenure)
      // What is left of an ended tenure has no say in the next.
      member.host.setTimer(ms, () => {
        if (!member.cluster.calm && tenure !== member.tenure) void member.stepDown(ms, tenure)
      })
      return
    case 'fails-late':
      await behave(member, tenure)
      throw new Error('work rejects after its end')
    default:
      return nature satisfies never
  }
}
