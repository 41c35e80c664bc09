/**
 * A tree of processes: everything that comes from one child of ours, found and ended. On Linux it is found by process
 * group, by session, by descent, and by a mark in the environment, so that neither `setsid` nor a double fork leaves it;
 * elsewhere by group and descent alone. It may assume that it is looked at often while it is being ended. It must never
 * touch a process that is not of the tree: not its supervisor's group, not a number that was given away anew.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { isErrno } from './output.ts'
import { environmentHas, type Process, processes, processOf } from './processes.ts'

/** The variable that carries the marks: a run within a run adds its own to those that are there. */
export const MARK_NAME = 'TENURE_RUN'

/** Pauses between looks at a tree that is to end: short at first, since it mostly takes a millisecond. */
const FIRST_PAUSE_MS = 1
const LAST_PAUSE_MS = { killing: 20, waiting: 200 }

export interface TreeRoot {
  /** In the environment of every process of this tree, and of no other. */
  readonly mark: string
  /** The session of the supervisor: whatever else lives in there is none of ours. */
  readonly session: number
}

export class ProcessTree {
  readonly #root: TreeRoot
  readonly #sessions = new Set<number>()
  #group: number | undefined
  /** When the first process of the tree was started: all others are younger. */
  #since = 0

  constructor(root: TreeRoot) {
    this.#root = root
  }

  /** From now on the process group of the child is known. */
  lead(group: number): void {
    this.#group = group
    this.#since = processOf(group)?.startedAt ?? 0
  }

  /** Pass a signal on to the process group of the child. */
  forward(signal: NodeJS.Signals): void {
    if (this.#group !== undefined) send(-this.#group, signal)
  }

  /** Send a signal to every process of the tree, wherever it went. Returns who they were. */
  signal(signal: NodeJS.Signals): readonly Process[] {
    // Looked up before anybody ends: whoever has lost its parent can no longer be told by descent.
    const members = this.members()
    for (const { pid } of members) send(pid, signal)
    return members
  }

  /** Send a signal to those alone that left the process group of the child. */
  signalStrays(signal: NodeJS.Signals): void {
    for (const { pid, group } of this.members()) if (group !== this.#group) send(pid, signal)
  }

  /** SIGKILL to every process of the tree. Returns who they were. */
  kill(): readonly Process[] {
    // Held still at once, so that nothing is written and nothing forks while the rest is looked up.
    this.forward('SIGSTOP')
    return this.signal('SIGKILL')
  }

  /** The living processes of the tree, by a fresh look. */
  members(): readonly Process[] {
    const all = processes().filter(({ pid, startedAt }) => pid !== process.pid && startedAt >= this.#since)
    const found = new Set<Process>()
    const pids = new Set<number>()
    const take = (one: Process) => {
      found.add(one)
      pids.add(one.pid)
      // A session other than the supervisor's was made within the tree, and nobody can join it from outside.
      if (one.session !== 0 && one.session !== this.#root.session) this.#sessions.add(one.session)
    }
    for (const one of all) if (one.group === this.#group || environmentHas(one.pid, this.#root.mark)) take(one)
    for (let before = -1; before !== found.size; ) {
      before = found.size
      for (const one of all) if (!found.has(one) && (pids.has(one.parent) || this.#sessions.has(one.session))) take(one)
    }
    this.#forget(all)
    return [...found]
  }

  /** Resolves when no process of the tree is left. While `kill` says so, each one found is ended at once. */
  async gone(kill: () => boolean): Promise<void> {
    for (let clean = 0, looks = 1, pauseMs = 5; ; looks++) {
      const killing = kill()
      const found = this.#look(killing)
      clean = found?.length === 0 ? clean + 1 : 0
      // A look can miss a process that is just exchanging its program for another: it takes two. Whoever was seen by one
      // of them has been killed, or has to be missed by both.
      if (clean === 2 || (clean === 1 && killing && looks > 1)) return
      await ended(found ?? [], clean > 0 ? FIRST_PAUSE_MS : pauseMs)
      pauseMs = Math.min(pauseMs * 2, killing ? LAST_PAUSE_MS.killing : LAST_PAUSE_MS.waiting)
    }
  }

  /** `undefined`: a host that cannot be looked at, e.g. for want of descriptors, has not shown that nobody is there. */
  #look(killing: boolean): readonly Process[] | undefined {
    try {
      return killing ? this.kill() : this.members()
    } catch (thrown) {
      if (isErrno(thrown, 'EMFILE', 'ENFILE', 'ENOMEM')) return undefined
      throw thrown
    }
  }

  /** A number that names nothing any more may be given away anew. */
  #forget(all: readonly Process[]): void {
    if (!all.some(({ group }) => group === this.#group)) this.#group = undefined
    for (const known of this.#sessions) if (!all.some(({ session }) => session === known)) this.#sessions.delete(known)
  }
}

/** Wait until these have ended, or for so long; a moment at least. */
async function ended(found: readonly Process[], mostMs: number): Promise<void> {
  const until = performance.now() + mostMs
  do await pause(FIRST_PAUSE_MS)
  while (performance.now() < until && (found.length === 0 || found.some(({ pid }) => processOf(pid))))
}

/** Signal a process that may have ended. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (thrown) {
    // Ended meanwhile, or somebody else's: who waits for the end of the tree goes on seeing the latter.
    if (!isErrno(thrown, 'ESRCH', 'EPERM')) throw thrown
  }
}
