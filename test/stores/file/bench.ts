/**
 * A place where several store objects stand for several processes, with a clock that moves by hand and a disk on which
 * any step can be held up. Needs no process, so that a race is a row of statements.
 */

import { setMaxListeners } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../src/clock.ts'
import type { Bid, Lease } from '../../../src/store.ts'
import type { Disk } from '../../../src/stores/file/disk.ts'
import type { Lifelines, Listening } from '../../../src/stores/file/lifeline.ts'
import type { LeaseRecord } from '../../../src/stores/file/record.ts'
import type { FileStore } from '../../../src/stores/file.ts'
import type { Filesystem } from '../../../src/stores/shared/filesystem.ts'
import { ManualClock } from '../../../src/testing/index.ts'

export type Subject = typeof import('./subject.ts')

interface Over {
  readonly disk?: Partial<Disk>
  readonly lifelines?: Partial<Lifelines>
  readonly filesystem?: Filesystem
}

export class Bench {
  readonly dir: string
  readonly clock = new ManualClock()
  readonly subject: Subject
  readonly #stores: FileStore[] = []
  readonly #gates: Gate[] = []
  readonly #ends: (() => unknown)[] = []
  readonly #accepted = new Map<Server, Socket[]>()

  constructor(subject: Subject, dir: string) {
    this.subject = subject
    this.dir = dir
  }

  static async open(subject: Subject): Promise<Bench> {
    return new Bench(subject, await mkdtemp(join(tmpdir(), 'tenure-file-')))
  }

  /** A store object of its own, as another process would have. */
  store(over: Over = {}): FileStore {
    const { fileOn, systemDisk, systemLifelines } = this.subject
    const lifelines: Lifelines = { ...systemLifelines, ...over.lifelines }
    const ground = {
      disk: { ...systemDisk, ...over.disk },
      lifelines: { ...lifelines, listen: async (folder: string) => this.#note(await lifelines.listen(folder)) },
      filesystemOf: async () => over.filesystem ?? { kind: 'ext4', network: false },
    }
    const store = fileOn(ground, { dir: this.dir, clock: this.clock })
    this.#stores.push(store)
    return store
  }

  /** A store object that stands still before each call of one verb of its disk, from when it is told to. */
  held(verb: 'link' | 'list' | 'read' | 'write', which: (...paths: string[]) => boolean = () => true) {
    const gate = new Gate()
    this.#gates.push(gate)
    const { systemDisk } = this.subject
    const disk = {
      ...systemDisk,
      [verb]: async (...paths: [string, string]) => {
        if (which(...paths)) await gate.pass()
        return systemDisk[verb](...paths)
      },
    }
    return { store: this.store({ disk }), gate }
  }

  /** Done at the end, whatever becomes of the test. */
  later(end: () => unknown): void {
    this.#ends.push(end)
  }

  bid(election = 'e', over: Partial<Bid> = {}): Bid {
    const id = systemClock.id().slice(0, 8)
    return { election, holder: `holder-${id}`, candidate: `candidate-${id}`, ttlMs: 500, ...over }
  }

  path(election = 'e', ...rest: string[]): string {
    return join(this.dir, this.subject.directoryNameOf(election), ...rest)
  }

  async versions(election = 'e'): Promise<number[]> {
    const names = await readdir(this.path(election))
    return names
      .filter((name) => name.endsWith('.json'))
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b)
  }

  /** The path of the highest version. */
  async top(election = 'e'): Promise<string> {
    return this.path(election, `${(await this.versions(election)).at(-1)}.json`)
  }

  async record(election = 'e'): Promise<LeaseRecord> {
    return JSON.parse(await readFile(await this.top(election), 'utf8')) as LeaseRecord
  }

  /** The process of this leader is gone, for all that its socket says; its files are as they were. */
  async kill(store: FileStore, election = 'e'): Promise<void> {
    const server = store.livenessServer(election)
    if (!server) throw new Error('nothing listens')
    const closed = new Promise((resolve) => server.close(resolve))
    for (const connection of this.#accepted.get(server) ?? []) connection.destroy()
    await closed
  }

  /** How many are connected to this leader. */
  connected(store: FileStore, election = 'e'): number {
    const server = store.livenessServer(election)
    return (server ? this.#accepted.get(server) : undefined)?.filter((connection) => !connection.closed).length ?? 0
  }

  /** How many have connected to this leader, ever. */
  accepted(store: FileStore, election = 'e'): number {
    const server = store.livenessServer(election)
    return (server ? this.#accepted.get(server) : undefined)?.length ?? 0
  }

  /** End all connections to this leader, from its side. */
  disconnect(store: FileStore, election = 'e'): void {
    const server = store.livenessServer(election)
    for (const connection of (server ? this.#accepted.get(server) : undefined) ?? []) connection.destroy()
  }

  #note(listening: Listening): Listening {
    if ('unfelt' in listening) return listening
    const accepted: Socket[] = []
    this.#accepted.set(listening.server, accepted)
    listening.server.on('connection', (connection) => accepted.push(connection))
    return listening
  }

  async close(): Promise<void> {
    for (const end of this.#ends) await end()
    for (const gate of this.#gates) gate.open()
    for (const store of this.#stores) await store.close?.()
    await rm(this.dir, { recursive: true, force: true })
  }
}

/** Closed until it is opened; says when somebody stands before it. */
export class Gate {
  #shut = true
  #waiting: (() => void)[] = []
  #arrived: (() => void)[] = []
  count = 0

  pass(): Promise<void> {
    this.count += 1
    for (const arrived of this.#arrived.splice(0)) arrived()
    return this.#shut ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve()
  }

  /** Resolves when so many have come to it, in all. */
  async reached(count = 1): Promise<void> {
    while (this.count < count) await new Promise<void>((resolve) => this.#arrived.push(resolve))
  }

  open(): void {
    this.#shut = false
    for (const go of this.#waiting.splice(0)) go()
  }

  shut(): void {
    this.#shut = true
  }
}

/** Whoever waits for as long as it takes. */
export const patient = new AbortController().signal
setMaxListeners(0, patient)

export function isOurs(lease: Lease | undefined, bid: Bid): boolean {
  return lease?.holder === bid.holder && lease.remainingMs > 0
}

export function isFree(lease: Lease | undefined): boolean {
  return !lease || lease.remainingMs === 0
}

/** Wait until something is so, in real time and with a bound. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, boundMs = 20_000): Promise<void> {
  const end = performance.now() + boundMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Expected ${what} within ${boundMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
