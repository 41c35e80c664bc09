/**
 * What happens to a store in its life: it is killed, restored from an old copy, its clock is stepped, an operator puts
 * his hand in. Each takes away only what it declares as lost.
 */

import type { Plan } from '../plan.ts'
import type { World } from '../world.ts'
import { cut, type Row } from './rows.ts'
import type { Server } from './server.ts'

/** The process of the store dies; what was not committed is gone, and so are the last `lost` commits. */
export function crashStore(server: Server, plan: Plan, lost: number | 'all'): void {
  server.die()
  // A register that counts its versions is level A: it forgets nothing.
  server.ledger.lose(plan.profile === 'observed' ? 0 : lost)
  if (plan.profile === 'connection') endSessions(server, '', true)
}

/** The wall clock of the store is stepped. */
export function stepStore(server: Server, at: number, ms: number): void {
  server.time.stepWall(at, ms)
  const { now, ledger, sessions } = server
  if (ms > 0) {
    for (const election of server.elections) ledger.declareLoss(election)
    return
  }
  ledger.revise((row) => cut(row, now))
  sessions.cut(now)
}

/** The session of a process ends. `declared`: while its holders may still believe. */
export function endSessions(server: Server, prefix: string, declared: boolean): void {
  for (const election of server.sessions.end(prefix)) {
    if (declared) server.ledger.declareLoss(election)
    server.watchers.tell(election, true)
  }
}

/** An operator deletes the record. */
export function removeRecord(server: Server, plan: Plan, world: World, election: string): void {
  override(server, world, election, (row) => {
    server.ledger.removed.add(row.holder)
    // A register keeps its chain of versions, and the token with it.
    return plan.profile === 'observed' ? { ...row, holder: 'nobody', freed: true } : undefined
  })
}

/** An operator gives the lease to somebody who will not renew it. */
export function preempt(server: Server, world: World, election: string, ttlMs: number): void {
  const operator = { holder: 'operator', candidate: 'operator', freed: false, session: undefined }
  override(server, world, election, (row) => {
    const fencingToken = Math.max(row.fencingToken + 1, server.ledger.microseconds(server.now))
    return { ...row, ...operator, fencingToken, expiresAt: server.now + ttlMs }
  })
}

function override(server: Server, world: World, election: string, change: (row: Row) => Row | undefined): void {
  const { ledger, watchers } = server
  server.locked(election, () => {
    const before = ledger.row(election)
    if (!before) return
    const after = change(before)
    const { version } = ledger
    ledger.declareLoss(election)
    ledger.begin()
    ledger.write(election, after && { ...after, version, writtenAt: world.now })
    watchers.tell(election, true)
  })
}
