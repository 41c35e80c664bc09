/**
 * The listeners of one candidate: one for each event, which tell the witness, and those of users who throw, reject,
 * block, and call the candidate back in the middle of everything.
 */

import type { Fault } from './faults.ts'
import type { Member } from './member.ts'
import type { EventName } from './witness.ts'

type Quirk = Extract<Fault, { kind: 'listener' }>

export function listen(member: Member): void {
  const { candidate, cluster } = member
  const { world, witness, timing } = cluster
  const tell = (event: EventName, detail: string | number = '') => {
    world.note(member.name, `event ${event}`, detail)
    world.count(event)
    witness.tell('told', member, event)
  }
  candidate.on('elected', (tenure) => {
    tell('elected', tenure.fencingToken)
    member.begins(tenure)
    witness.tell('elected', member, tenure)
    cluster.asker.renewed(member, tenure)
  })
  candidate.on('renewed', (tenure) => {
    tell('renewed', tenure.fencingToken)
    witness.tell('renewed', member, tenure)
    cluster.asker.renewed(member, tenure)
  })
  candidate.on('deposed', (tenure, why) => {
    tell('deposed', why)
    world.count(`deposed:${why}`)
    witness.tell('deposed', member, tenure, why)
    member.tenure = undefined
    if (why === 'work-failed') member.cools(Math.max(timing.ttlMs, timing.retryMs))
  })
  candidate.on('leader', (leader) => {
    tell('leader', leader?.fencingToken ?? 'nobody')
    witness.tell('learned', member, leader?.fencingToken)
  })
  candidate.on('trouble', ({ code }) => {
    tell('trouble', code)
    member.onTrouble?.()
    if (code === 'work-overran') witness.tell('overran', member)
    world.count(`trouble:${code}`)
  })
  candidate.on('stopped', () => tell('stopped'))
  for (const fault of cluster.plan.faults) {
    if (fault.kind === 'listener' && fault.slot === member.slot) candidate.on(fault.event, () => misbehave(member, fault))
  }
}

function misbehave(member: Member, quirk: Quirk): unknown {
  const { cluster, dispatching } = member
  // Only now and then, so that the candidate gets anywhere at all.
  if (cluster.calm || !member.chance.hit(0.4)) return undefined
  cluster.world.note(member.name, `listener of ${quirk.event} ${quirk.nature}`)
  cluster.world.count(`listener:${quirk.nature}`)
  member.dispatching = quirk.event
  try {
    return act(member, quirk)
  } finally {
    member.dispatching = dispatching
  }
}

function act(member: Member, { nature, ms }: Quirk): unknown {
  switch (nature) {
    case 'throws':
      throw new Error('a listener throws')
    case 'rejects':
      return Promise.reject(new Error('a listener rejects'))
    case 'blocks':
      member.host.block(ms)
      member.cluster.world.count('blockedInTurn')
      return undefined
    case 'stops':
      void member.stop()
      return member.startLater(ms)
    case 'steps-down':
      void member.stepDown(ms)
      return undefined
    case 'leaves-twice':
      void member.stepDown(ms)
      void member.stop()
      return member.startLater(ms)
    case 'restarts':
      void member.stop()
      return member.start()
    default:
      return nature satisfies never
  }
}
