/**
 * One `tenure run`: it stands in an election and lets a child serve in each tenure. It ends with an exit code, and only
 * when its child has ended and the lease has been given back; where it cannot see to that itself, its guard does.
 */

import { Candidate, type Logger, type Tenure, type TenureEnd } from '../index.ts'
import type { Connected } from './connected.ts'
import { exitCode, exitCodeOfSignal } from './exit-codes.ts'
import { Guardian } from './guardian.ts'
import type { Talk } from './output.ts'
import type { RunPlan } from './plan.ts'
import { processOf } from './processes.ts'
import { Reign } from './reign.ts'
import type { Served } from './service.ts'
import { isEnd, onSignals } from './signals.ts'
import { type Verdict, Wait } from './wait.ts'

/** Run a command while leading. Resolves with the exit code. */
export function supervise(plan: RunPlan, connected: Connected, talk: Talk): Promise<number> {
  return new Supervisor(plan, connected, talk).run()
}

class Supervisor {
  readonly #plan: RunPlan
  readonly #connected: Connected
  readonly #talk: Talk
  readonly #candidate: Candidate
  readonly #session = processOf(process.pid)?.session ?? 0
  /** Started ahead of the tenure: it takes longer than winning does. */
  #guardian: Guardian
  #reign: Reign | undefined
  #lastEnd: TenureEnd = 'expired'
  #toldLost: Tenure | undefined
  #isOver = false
  #hurry: () => void = () => {}
  #resolve: (code: number) => void = () => {}
  #reject: (thrown: unknown) => void = () => {}
  readonly #over = new Promise<number>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

  constructor(plan: RunPlan, connected: Connected, talk: Talk) {
    this.#plan = plan
    this.#connected = connected
    this.#talk = talk
    const { election, id, ttlMs, marginMs, retryMs } = plan
    this.#candidate = new Candidate({
      election,
      store: connected.store,
      id,
      ttlMs,
      marginMs,
      retryMs,
      // How long a child may take to end is decided here: the lease is kept for as long as it lives.
      drainMs: Number.POSITIVE_INFINITY,
      logger: loggerOf(talk),
      work: (tenure) => this.#work(tenure),
    })
    this.#guardian = new Guardian(election)
  }

  async run(): Promise<number> {
    const { election, waitMs, ttlMs } = this.#plan
    this.#talk.detail('store', `${election}: the store is ${this.#connected.where}`, { store: this.#connected.where })
    const wait = new Wait(this.#candidate, waitMs)
    const offs = [onSignals((signal) => this.#heard(signal)), ...this.#listen(), () => wait.end()]
    void wait.verdict.then((verdict) => this.#giveUp(verdict))
    // It may fail while a refusal of the store is still on its way.
    this.#over.catch(() => {})
    try {
      // A signal may come before the first attempt is answered.
      await Promise.race([this.#candidate.start(), this.#over])
      wait.attempted(ttlMs)
      return await this.#over
    } finally {
      this.#isOver = true
      const hurried = new Promise<void>((resolve) => {
        this.#hurry = resolve
      })
      await Promise.race([this.#candidate.stop(), hurried])
      await this.#guardian.dismiss()
      for (const off of offs) off()
    }
  }

  #listen(): (() => void)[] {
    const { election } = this.#plan
    const talk = this.#talk
    return [
      this.#candidate.on('deposed', (_, why) => {
        this.#lastEnd = why
      }),
      this.#candidate.on('leader', (leader) => {
        if (!leader || leader.isMe || this.#isOver) return
        const { candidate, fencingToken } = leader
        talk.chat('waiting', `waiting for ${election}, led by ${candidate}, token ${fencingToken}`, { election, candidate, fencingToken })
      }),
    ]
  }

  #heard(signal: NodeJS.Signals): void {
    const ends = isEnd(signal)
    if (this.#reign) this.#reign.heard(signal, ends)
    // Nothing of ours runs any more, and whoever asks twice does not want to wait for a store that does not answer.
    else if (ends && this.#isOver) this.#hurry()
    // With nobody to read its settings anew, SIGHUP is what it always was.
    else if (ends || signal === 'SIGHUP') this.#end(exitCodeOfSignal(signal))
  }

  #giveUp(verdict: Verdict): void {
    const { election, conflictExitCode } = this.#plan
    if (this.#isOver || this.#reign) return
    const { leader } = this.#candidate
    if (verdict === 'unreachable') {
      this.#talk.error(`${election}: the store could not be reached`)
      return this.#end(exitCode.unreachable)
    }
    const by = leader && !leader.isMe ? `, led by ${leader.candidate}` : ''
    this.#talk.note('not-elected', `not elected in time: ${election}${by}`, { election, leader: leader?.candidate })
    this.#end(conflictExitCode)
  }

  async #work(tenure: Tenure): Promise<void> {
    if (this.#isOver) return
    try {
      await this.#settle(tenure, await this.#rule(tenure))
    } catch (thrown) {
      this.#isOver = true
      this.#reject(thrown)
    } finally {
      this.#reign = undefined
    }
  }

  #rule(tenure: Tenure): Promise<Served> {
    const { election } = this.#plan
    if (!this.#guardian.isAlive) this.#guardian = new Guardian(election)
    this.#reign = new Reign({
      plan: this.#plan,
      tenure,
      guardian: this.#guardian,
      talk: this.#talk,
      session: this.#session,
      liveness: this.#connected.livenessServer?.(election),
      tellLost: (measures) => this.#tellLost(tenure, measures),
      onRenewed: (renewed) => this.#candidate.on('renewed', renewed),
    })
    const sentence = `leading ${election}, token ${tenure.fencingToken}, supervisor pid ${process.pid}`
    const { candidate, fencingToken } = tenure
    this.#talk.chat('leading', sentence, { election, candidate, fencingToken, pid: process.pid, guardPid: this.#guardian.pid })
    return this.#reign.run()
  }

  async #settle(tenure: Tenure, served: Served): Promise<void> {
    const { onLost, lostExitCode, election } = this.#plan
    if (served.type === 'ended') return this.#end(served.code)
    this.#tellLost(tenure, '')
    if (onLost === 'exit' || this.#isOver || this.#reign?.isEnding) return this.#end(lostExitCode)
    this.#guardian = new Guardian(election)
    // Where it was the guard that died, the tenure still holds: give it up, and stand again at once.
    if (tenure.held) void tenure.stepDown({ cooldownMs: 0 })
    this.#talk.note('standing', `${election}: stands again`, { election })
  }

  /** Once for each tenure. The news that follows the abort of its signal says why it ended. */
  #tellLost(tenure: Tenure, measures: string): void {
    if (this.#toldLost === tenure) return
    this.#toldLost = tenure
    queueMicrotask(() => {
      const { election } = this.#plan
      const why = tenure.held ? 'its guard has died' : this.#lastEnd
      this.#talk.note('lost', `lost ${election} (${why})${measures}`, { election, why })
    })
  }

  #end(code: number): void {
    this.#isOver = true
    this.#resolve(code)
  }
}

/** Trouble is told by the candidate's own logger, which repeats itself once a minute at most. */
function loggerOf(talk: Talk): Logger {
  const detail = (message: string, fields: Record<string, unknown> = {}) => {
    const { election, why } = fields
    talk.detail(message, `${election}: ${message}${why === undefined ? '' : ` (${why})`}`, fields)
  }
  const note = (message: string, fields?: Record<string, unknown>) => talk.note('trouble', message, fields)
  return { debug: detail, info: detail, warn: note, error: note }
}
