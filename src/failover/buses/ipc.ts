/**
 * A bus over the IPC channels between a parent and its child processes, or a cluster's primary and its workers. The
 * parent relays (`IpcRelay`), and may take part itself; a child takes part with `ipcBus()`. The end of a child is told to
 * all others. The channel is shared with the program: what does not bear the mark of the bus is the program's, and is
 * left alone.
 */

import { systemClock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { checkMethods } from '../../options.ts'
import { type Bus, isOversized } from '../bus.ts'
import { type Link, type LinkEnds, linkedBus } from './shared/linked.ts'

/** What is said on a channel. A child says `enter`, `leave` and `text`; the relay `who`, `welcome`, `closed` and `text`. */
interface Words {
  readonly tenure: 'failover-bus'
  readonly who?: true
  readonly welcome?: true
  readonly enter?: unknown
  readonly leave?: unknown
  readonly closed?: unknown
  readonly text?: unknown
}

/** What is used of a child process or a worker. */
export interface IpcPeer {
  send(message: object, callback?: (error: Error | null) => void): boolean
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
  off(event: 'message', listener: (message: unknown) => void): unknown
  off(event: 'disconnect', listener: () => void): unknown
}

/** What is used of `node:cluster` in its primary. */
export interface IpcCluster {
  readonly workers?: { readonly [id: string]: IpcPeer | undefined } | undefined
  on(event: 'fork', listener: (worker: IpcPeer) => void): unknown
}

/** A peer that takes nothing any more is told nothing any more. */
const MOST_PENDING = 100

/**
 * For a process that has a parent with an `IpcRelay`. Throws a `TenureError` of code `bad-option` in a process without an
 * IPC channel.
 */
export function ipcBus(): Bus {
  const { send } = process
  if (!send)
    throw new TenureError('bad-option', 'ipcBus() needs a process with an IPC channel: one started with fork(), or a worker of a cluster')
  return linkedBus({ name: 'ipc', clock: systemClock, open: openInChild })
}

function openInChild(ends: LinkEnds): Link {
  let there: readonly string[] = []
  const heard = (message: unknown) => {
    const words = wordsOf(message)
    if (words?.who) for (const name of there) say({ enter: name })
    if (words?.welcome) ends.up()
    if (typeof words?.closed === 'string') ends.closed(words.closed)
    if (words && 'text' in words) hear(words.text, ends)
  }
  const gone = () => ends.lost(new Error('the IPC channel was closed'))
  const say = (words: Omit<Words, 'tenure'>) => void sendToParent(words).catch(ends.lost)
  process.on('message', heard)
  process.on('disconnect', gone)
  return {
    send: (text) => sendToParent({ text }),
    present(names) {
      for (const name of there) if (!names.includes(name)) say({ leave: name })
      for (const name of names) if (!there.includes(name)) say({ enter: name })
      there = names
    },
    close() {
      process.off('message', heard)
      process.off('disconnect', gone)
      if (process.connected) for (const name of there) say({ leave: name })
    },
  }
}

function sendToParent(words: Omit<Words, 'tenure'>): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!process.send || !process.connected) throw new Error('the IPC channel is closed')
    process.send({ tenure: 'failover-bus', ...words }, undefined, undefined, (error) => (error ? reject(error) : resolve()))
  })
}

interface Attached {
  readonly names: Set<string>
  pending: number
  detach(): void
}

/** For the parent: passes on what each child says to all of them. `bus` takes part as the children do. */
export class IpcRelay {
  /** For a failover in the parent itself. */
  readonly bus: Bus
  readonly #peers = new Map<IpcPeer, Attached>()
  #own: LinkEnds | undefined
  #ownNames: readonly string[] = []

  constructor() {
    this.bus = linkedBus({ name: 'ipc', clock: systemClock, open: (ends) => this.#open(ends) })
  }

  /**
   * Relay for this child, or worker, until its channel is closed. The function returned ends it earlier. Throws a
   * `TenureError` of code `bad-option` for a child without an IPC channel.
   */
  add(peer: IpcPeer): () => void {
    checkMethods('peer', peer, ['send', 'on', 'off'])
    const known = this.#peers.get(peer)
    if (known) return known.detach
    const attached: Attached = {
      names: new Set(),
      pending: 0,
      detach: () => {
        if (!this.#peers.delete(peer)) return
        peer.off('message', heard)
        peer.off('disconnect', attached.detach)
        for (const name of attached.names) this.#tell({ closed: name })
      },
    }
    const heard = (message: unknown) => this.#heard(peer, attached, message)
    this.#peers.set(peer, attached)
    peer.on('message', heard)
    peer.on('disconnect', attached.detach)
    // It may have entered before anybody listened.
    this.#say(peer, attached, { who: true })
    return attached.detach
  }

  /** Relay for all workers of a cluster, those to come included. */
  addCluster(cluster: IpcCluster): void {
    checkMethods('cluster', cluster, ['on'])
    for (const worker of Object.values(cluster.workers ?? {})) if (worker) this.add(worker)
    cluster.on('fork', (worker) => void this.add(worker))
  }

  #open(ends: LinkEnds): Link {
    this.#own = ends
    queueMicrotask(() => ends.up())
    return {
      send: async (text) => this.#tell({ text }),
      present: (names) => {
        const gone = this.#ownNames.filter((name) => !names.includes(name))
        this.#ownNames = names
        for (const name of gone) this.#tell({ closed: name })
      },
      close: () => {
        if (this.#own === ends) this.#own = undefined
        for (const name of this.#ownNames) this.#tell({ closed: name })
        this.#ownNames = []
      },
    }
  }

  #heard(peer: IpcPeer, attached: Attached, message: unknown): void {
    const words = wordsOf(message)
    if (!words) return
    if (typeof words.enter === 'string') {
      attached.names.add(words.enter)
      this.#say(peer, attached, { welcome: true })
    }
    if (typeof words.leave === 'string' && attached.names.delete(words.leave)) this.#tell({ closed: words.leave })
    if (!('text' in words)) return
    if (typeof words.text === 'string' && !isOversized(words.text)) this.#tell({ text: words.text })
    else this.#own?.ignored(typeof words.text === 'string' ? 'oversized' : 'garbage')
  }

  #tell(words: { readonly text: string } | { readonly closed: string }): void {
    if ('text' in words) this.#own?.heard(words.text)
    else this.#own?.closed(words.closed)
    for (const [peer, attached] of this.#peers) this.#say(peer, attached, words)
  }

  #say(peer: IpcPeer, attached: Attached, words: Omit<Words, 'tenure'>): void {
    if (attached.pending > MOST_PENDING) return
    attached.pending += 1
    // One whose channel is closing is about to be detached: there is nobody left to tell.
    peer.send({ tenure: 'failover-bus', ...words }, () => {
      attached.pending -= 1
    })
  }
}

function hear(text: unknown, ends: LinkEnds): void {
  if (typeof text === 'string') ends.heard(text)
  else ends.ignored('garbage')
}

function wordsOf(message: unknown): Words | undefined {
  if (typeof message !== 'object' || message === null || !('tenure' in message)) return undefined
  return message.tenure === 'failover-bus' ? (message as Words) : undefined
}
