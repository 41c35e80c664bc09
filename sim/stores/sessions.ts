/**
 * Sessions and connections: what many leases of one process share the fate of. A session expires by the store's clock;
 * a connection is closed when it was idle for a ttl and a lease hangs on it.
 */

import type { Plan } from '../plan.ts'
import type { Ledger } from './ledger.ts'
import type { Request } from './server.ts'

export interface Session {
  expiresAt: number
  dead: boolean
}

export class Sessions {
  readonly #plan: Plan
  readonly #ledger: Ledger
  readonly #sessions = new Map<string, Session>()

  constructor(plan: Plan, ledger: Ledger) {
    this.#plan = plan
    this.#ledger = ledger
  }

  of(request: Request): Session | undefined {
    return this.#sessions.get(request.session)
  }

  /** Whether the session of a request can still be used. Opens one where there is none. */
  serves(request: Request, now: number): boolean {
    const { profile } = this.#plan
    if (profile === 'connection') return this.#connected(request, now)
    if (profile === 'session') this.#refresh(request, now)
    return true
  }

  #refresh(request: Request, now: number): void {
    const { verb, session, ttlMs } = request
    const known = this.#sessions.get(session)
    const alive = known !== undefined && !known.dead && now < known.expiresAt
    if (verb === 'acquire' && !alive) this.#sessions.set(session, { expiresAt: now + ttlMs, dead: false })
    const short = known !== undefined && known.expiresAt - now < ttlMs * 0.8
    if (alive && (verb === 'renew' || (verb === 'acquire' && short))) known.expiresAt = now + ttlMs
  }

  #connected(request: Request, now: number): boolean {
    const { session, ttlMs } = request
    const known = this.#sessions.get(session)
    if (!known) {
      this.#sessions.set(session, { expiresAt: now + ttlMs, dead: false })
      return true
    }
    if (known.dead || (now >= known.expiresAt && this.#carries(known))) {
      known.dead = true
      return false
    }
    // Anything said on a connection keeps it open.
    known.expiresAt = now + ttlMs
    return true
  }

  #carries(session: Session): boolean {
    return [...this.#ledger.rows].some(([, row]) => row.session === session && !row.freed)
  }

  /** None lasts for longer than a ttl from now. */
  cut(now: number): void {
    const latest = now + this.#plan.timing.ttlMs
    for (const session of this.#sessions.values()) session.expiresAt = Math.min(session.expiresAt, latest)
  }

  /** End the sessions of those whose name begins so. Returns the elections that hung on them. */
  end(prefix: string): readonly string[] {
    const ended = new Set<Session>()
    for (const [name, session] of this.#sessions) {
      if (session.dead || !name.startsWith(prefix)) continue
      session.dead = true
      ended.add(session)
    }
    return [...this.#ledger.rows].filter(([, { session }]) => session && ended.has(session)).map(([election]) => election)
  }
}
