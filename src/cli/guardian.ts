/**
 * The supervisor's side of the guard: starts it, tells it what to hold, and notices when it dies. It may assume that
 * words arrive in the order in which they were sent, also when the supervisor dies right after. See `guard.ts`.
 */

import { type ChildProcess, fork } from 'node:child_process'
import type { Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { after } from './after.ts'
import { exitCode, Refusal } from './exit-codes.ts'
import type { GuardOrder, GuardReport } from './guard-words.ts'
import { type HostInstant, leftMs } from './instants.ts'
import type { TreeRoot } from './tree.ts'

/** A guard that takes longer than this to take a word, or to answer one, is frozen, and has ended nobody. */
const FROZEN_MS = 5000

const guardFile = fileURLToPath(new URL('./guard.js', import.meta.url))

export class Guardian {
  readonly #process: ChildProcess
  readonly #ready: Promise<void>
  /** Words on their way out. One behind a socket waits until that has arrived, and is forgotten when the guard dies before. */
  readonly #leaving = new Set<(isOut: boolean) => void>()
  #dismissed = false
  /** So many times `gone` was said and not answered. */
  #unanswered = 0
  #answered: () => void = () => {}
  #dead = false
  #died: () => void = () => {}
  /** Resolves when the guard has ended although nobody dismissed it. */
  readonly died: Promise<void>

  /** Start a guard; it takes some time to be ready, so do it early. */
  constructor(election: string) {
    const child = fork(guardFile, [election], {
      // A session of its own: no terminal and no signal to our group reaches it.
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
      env: guardEnvironment(),
      cwd: '/',
    })
    this.#process = child
    this.#ready = new Promise((resolve) => {
      child.on('message', (report: GuardReport) => (report === 'ready' ? resolve() : this.#spared()))
    })
    this.died = new Promise((resolve) => {
      const died = () => {
        this.#dead = true
        for (const sent of [...this.#leaving]) sent(false)
        if (!this.#dismissed) resolve()
      }
      this.#died = died
      child.once('exit', died)
      // Mostly seen before its exit: it never lets go of its end while it lives.
      child.once('disconnect', died)
      // Starting it failed, or a word could not be sent: either way there is no guard.
      child.on('error', died)
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get isAlive(): boolean {
    return !this.#dead
  }

  /**
   * Let it share our liveness up to this instant, and expect this tree. Resolves when that has left us: a socket on its
   * way is open, and a word on its way arrives, even if we die. False if the guard has died, or is not ready before the
   * instant has passed; rejects when it could not be started at all.
   */
  async hold(until: HostInstant, liveness: Server | undefined, root: TreeRoot): Promise<boolean> {
    const started = Promise.race([this.#ready.then(() => 'ready' as const), this.died.then(() => 'dead' as const)])
    const state = await within(leftMs(until), started, 'late')
    if (state === 'dead') throw new Refusal(exitCode.internal, 'the guard did not start')
    return state === 'ready' && this.#send({ type: 'hold', until, root }, liveness)
  }

  /** The lease was renewed. */
  extend(until: HostInstant): void {
    void this.#send({ type: 'until', until })
  }

  /** Another child is about to be started. */
  expect(root: TreeRoot): Promise<boolean> {
    return this.#send({ type: 'tree', root })
  }

  /** A launcher stands between us and the child. */
  launching(pid: number): void {
    void this.#send({ type: 'launcher', pid })
  }

  /** The process group of the child. Resolves when the word is out, so that not even our death holds it up; false if it is not. */
  lead(group: number): Promise<boolean> {
    return this.#send({ type: 'lead', group })
  }

  /**
   * No process of the tree is left. Resolves when the word is out; if asked to, when the guard has answered that it ended
   * none of them, or has died.
   */
  async gone(isAsked: boolean): Promise<void> {
    const answered = new Promise<void>((resolve) => {
      this.#answered = resolve
    })
    this.#unanswered += 1
    const isOut = await this.#send({ type: 'gone' })
    if (isOut && isAsked) await within(FROZEN_MS, Promise.race([answered, this.died]), undefined)
  }

  /** Nothing is left to guard. */
  dismiss(): Promise<boolean> {
    this.#dismissed = true
    return this.#send({ type: 'dismiss' })
  }

  #spared(): void {
    this.#unanswered -= 1
    if (this.#unanswered === 0) this.#answered()
  }

  /** Resolves when the word is out; with false when there is nobody to hear it, or when it does not get out. */
  #send(order: GuardOrder, liveness?: Server): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#dead || !this.#process.connected) return resolve(false)
      const sent = (isOut: boolean) => {
        this.#leaving.delete(sent)
        cancel()
        resolve(isOut)
      }
      const cancel = after(FROZEN_MS, () => sent(false))
      this.#leaving.add(sent)
      this.#process.send(order, liveness, {}, (error) => {
        // Its end may be felt a moment later than that nobody reads.
        if (error !== null) this.#died()
        sent(error === null)
      })
    })
  }
}

/** What is waited for, or something else once so many milliseconds have passed. */
function within<T, Late>(ms: number, waited: Promise<T>, late: Late): Promise<T | Late> {
  return new Promise((resolve, reject) => {
    const cancel = after(ms, () => resolve(late))
    waited.then(resolve, reject).finally(cancel)
  })
}

/** Nothing that would slow it down, break it, or show where the store is. */
function guardEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, TENURE_STORE: _store, ...rest } = process.env
  return rest
}
