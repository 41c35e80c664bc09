/**
 * One child within a tenure, from the decision to start it until no process of its tree is left. It may be told of a
 * signal at any time; it finds out by itself when leadership is lost or the guard dies. It must never start a child
 * after a signal asked the run to end, after the deadline, or without a guard, and never leave one behind, not even when
 * it fails itself.
 */

import { randomBytes } from 'node:crypto'
import type { Tenure } from '../index.ts'
import { type Ending, runChild } from './child.ts'
import { durationText } from './durations.ts'
import { exitCodeOfSignal } from './exit-codes.ts'
import type { Guardian } from './guardian.ts'
import { Leash } from './leash.ts'
import type { Talk } from './output.ts'
import type { RunPlan } from './plan.ts'
import { onTerminalSignals } from './signals.ts'
import { isOnTerminal, stopAlong } from './terminal.ts'
import { MARK_NAME, ProcessTree, type TreeRoot } from './tree.ts'

export interface ServiceParts {
  readonly plan: RunPlan
  readonly tenure: Tenure
  readonly guardian: Guardian
  readonly talk: Talk
  /** The session of this process. */
  readonly session: number
  /** Let the guard know of the tree before it begins; false when there is no guard any more. */
  readonly announce: (root: TreeRoot) => Promise<boolean>
  /** Leadership is lost, and this is done about it. */
  readonly tellLost: (measures: string) => void
  /** Somebody has typed a signal at the terminal, which asks the run to end. */
  readonly typed: (signal: NodeJS.Signals) => void
  /** How long the tree may still live if leadership is lost now, in milliseconds. */
  readonly lastMs: () => number
}

/** How the child ended for the run. */
export type Served =
  /** With a code that is passed on. `isFinal`: there is no point in starting it again. */
  | { readonly type: 'ended'; readonly code: number; readonly isFinal: boolean }
  /** Leadership ended first. */
  | { readonly type: 'lost' }

const KILLED = exitCodeOfSignal('SIGKILL')

export class Service {
  readonly #parts: ServiceParts
  readonly #root: TreeRoot
  readonly #leash: Leash
  #signal: NodeJS.Signals | undefined
  #isLost = false

  constructor(parts: ServiceParts) {
    this.#parts = parts
    this.#root = { mark: randomBytes(12).toString('hex'), session: parts.session }
    this.#leash = new Leash(new ProcessTree(this.#root))
  }

  /** A signal has come for the run: the child hears of it, and if it asks for the end, has the drain time for that. */
  heard(signal: NodeJS.Signals, isEnd: boolean): void {
    const { tree } = this.#leash
    // Looked at before anybody ends: whoever has lost its parent can no longer be told by descent.
    if (isEnd) tree.members()
    tree.forward(signal)
    if (!isEnd || this.#signal) return
    this.#signal = signal
    this.#leash.killIn(this.#parts.plan.drainMs)
  }

  /** Resolves when no process is left. */
  async run(): Promise<Served> {
    const { guardian, tenure, announce } = this.#parts
    const isExpected = await announce(this.#root)
    const refused = this.#refusal() ?? (isExpected ? undefined : { type: 'lost' as const })
    if (refused) return refused
    const lose = () => this.#lose()
    tenure.signal.addEventListener('abort', lose)
    void guardian.died.then(lose)
    try {
      const ending = await this.#child()
      return await this.#aftermath(ending)
    } catch (thrown) {
      this.#leash.killIn(0)
      await this.#leash.slack()
      throw thrown
    } finally {
      tenure.signal.removeEventListener('abort', lose)
    }
  }

  /** Why no child may be started now. */
  #refusal(): Served | undefined {
    if (this.#signal) return { type: 'ended', code: exitCodeOfSignal(this.#signal), isFinal: true }
    if (!this.#parts.tenure.held || !this.#parts.guardian.isAlive) return { type: 'lost' }
    return undefined
  }

  async #child(): Promise<Ending> {
    const { plan, guardian } = this.#parts
    const onTerminal = isOnTerminal()
    const { tree } = this.#leash
    const off = onTerminal ? () => {} : onTerminalSignals((signal) => this.#heardTerminal(signal))
    try {
      return await runChild({
        command: plan.command,
        environment: this.#environment(onTerminal),
        mark: this.#marks(),
        onTerminal,
        launching: (pid) => guardian.launching(pid),
        led: async (group) => {
          tree.lead(group)
          return (await guardian.lead(group)) && this.#refusal() === undefined
        },
        typed: (signal) => this.#heardTyped(signal),
        // Held still by us before it is killed: that is not for the terminal to know.
        stopped: async (launcherPid) => (this.#leash.isKilling ? 'fg' : stopAlong(launcherPid)),
      })
    } finally {
      off()
    }
  }

  /** The command has ended, for whatever reason: see to the rest of its tree. */
  async #aftermath(ending: Ending): Promise<Served> {
    const { plan, tenure, guardian, talk } = this.#parts
    // Killed, and not by us: it may have been the guard, whose own end is felt a moment later.
    const isAsked = ending.code === KILLED && !this.#leash.isKilling
    // The clock is asked: what came to its end too late was not done under this lease.
    if (!tenure.held) this.#lose()
    if (!this.#isLost) this.#endLeftovers()
    await this.#leash.slack()
    await guardian.gone(isAsked)
    if (ending.neverRan) return this.#refusal() ?? { type: 'lost' }
    if (this.#isLost) return { type: 'lost' }
    if (ending.refusal) talk.error(ending.refusal)
    else talk.chat('ended', `${plan.election}: the command ended with exit code ${ending.code}`, { code: ending.code })
    return { type: 'ended', code: ending.code, isFinal: this.#signal !== undefined || ending.refusal !== undefined }
  }

  /** Whatever the command has started ends with it; after a signal it has the drain time, as the command had. */
  #endLeftovers(): void {
    const { plan, talk } = this.#parts
    if (this.#signal) {
      this.#leash.tree.signalStrays('SIGTERM')
      return
    }
    const left = this.#leash.end(plan.killAfterMs)
    if (left === 0) return
    talk.note('leftovers', `${plan.election}: the command left ${left} of its processes behind; they are being ended`, { left })
  }

  #lose(): void {
    const { plan, lastMs, tellLost } = this.#parts
    if (this.#isLost) return
    this.#isLost = true
    const killInMs = Math.min(plan.killAfterMs, lastMs())
    this.#leash.end(killInMs)
    tellLost(`: SIGTERM to its processes, SIGKILL ${killInMs > 0 ? `in ${durationText(killInMs)}` : 'at once'}`)
  }

  /** The child has heard of it by itself; what is left to do is to see to its end. */
  #heardTyped(signal: NodeJS.Signals): void {
    const { plan, talk, typed } = this.#parts
    const { election, drainMs } = plan
    const bound = drainMs < Number.POSITIVE_INFINITY ? `, or is killed in ${durationText(drainMs)}` : ''
    talk.detail('interrupted', `${election}: ${signal} was typed: the run ends when the command does${bound}`, { signal })
    this.#leash.killIn(drainMs)
    typed(signal)
  }

  /** What a terminal sends to its foreground, where the child is not there. */
  #heardTerminal(signal: NodeJS.Signals): void {
    const { tree } = this.#leash
    if (signal !== 'SIGTSTP') return tree.forward(signal)
    // Its group has nobody who could continue it, and would therefore ignore SIGTSTP.
    tree.forward('SIGSTOP')
    process.kill(process.pid, 'SIGSTOP')
  }

  #environment(onTerminal: boolean): NodeJS.ProcessEnv {
    const { TENURE_STORE: _secret, ...inherited } = process.env
    const { tenure, plan } = this.#parts
    return {
      ...inherited,
      TENURE_ELECTION: tenure.election,
      TENURE_CANDIDATE: tenure.candidate,
      TENURE_FENCING_TOKEN: String(tenure.fencingToken),
      TENURE_TTL_MS: String(plan.ttlMs),
      // A launcher passes the mark on, and bears none.
      ...(onTerminal ? {} : { [MARK_NAME]: this.#marks() }),
    }
  }

  /** Our mark, after those of the runs that we are part of. */
  #marks(): string {
    const outer = process.env[MARK_NAME]
    return outer ? `${outer} ${this.#root.mark}` : this.#root.mark
  }
}
