/**
 * The chain of versions of one lease. The highest is the lease as it stands, and every change is a compare-and-set: a
 * complete file gets the next number as its second name, which only one can. May assume a filesystem whose `link` is
 * atomic for all that share the directory. It must never overwrite a version, and never use a number twice.
 */

import { join } from 'node:path'
import { type Clock, systemClock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { codeOf, type Disk, unless } from './disk.ts'
import { linkFaultOf } from './faults.ts'
import { decodeOrigin, decodeRecord, encodeOrigin, encodeRecord, type LeaseRecord, type Origin } from './record.ts'

/** Versions that are kept below the highest, for those who have listed and not yet read. */
const KEPT = 8
/** A garbled lease counts as held for at least so long. */
const LEAST_GARBLED_MS = 60_000
/** A temporary file that was seen for so long belongs to a process that died. */
const LITTER_MS = 600_000
/** So often a version may vanish between listing and reading. */
const TRIES = 100

/** One version, as it was read. Two are the same only if number and bytes are. */
export interface Version {
  readonly number: number
  readonly bytes: Buffer
  /** `undefined`: garbled. */
  readonly record: LeaseRecord | undefined
  /** The largest token that is known to have been given. */
  readonly fencingToken: number
  /** How long it has to be seen unchanged. 0: given back. */
  readonly ttlMs: number
  /** What leaders have left behind, as far as anybody can read it. */
  readonly memo: string | undefined
}

/** A record, as far as whoever writes it decides. */
export type Draft = Omit<LeaseRecord, 'election' | 'chain' | 'write'>

/**
 * What became of a write. `raced`: somebody else has that number, nothing was written. `void`: written, but on top of a
 * chain that is not there any more; it means nothing.
 */
export type Written = Version | 'raced' | 'void'

export class Chain {
  readonly dir: string
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #election: string
  /** Temporary files of others, and since when they are seen. */
  readonly #litter = new Map<string, number>()
  #tidying: Promise<unknown> = Promise.resolve()

  constructor(parts: { readonly disk: Disk; readonly clock: Clock; readonly dir: string; readonly election: string }) {
    this.dir = parts.dir
    this.#disk = parts.disk
    this.#clock = parts.clock
    this.#election = parts.election
  }

  /** The lease as it stands; `undefined` where there is none, be it that the whole directory is missing. */
  async look(): Promise<Version | undefined> {
    for (let tries = 0; tries < TRIES; tries++) {
      const names = await this.#list()
      const number = highest(names, this.dir)
      if (number === undefined) return undefined
      const bytes = await this.#read(this.#path(number))
      // Cleaned up since it was listed: then there are higher ones.
      if (!bytes) continue
      const record = decodeRecord(bytes, this.#path(number), this.#election)
      if (!record) return this.#garbled(number, bytes, names)
      return { number, bytes, record, fencingToken: record.fencingToken, ttlMs: record.ttlMs, memo: record.memo }
    }
    throw new TenureError('store-unreachable', `file: the versions in ${this.dir} vanish faster than they can be read`)
  }

  /** Make what the first version stands on. */
  async begin(): Promise<void> {
    await this.#ensureOrigin()
  }

  /**
   * Write the version that follows `base`. `mayLand` is asked at the last moment, and throws where it shall not be;
   * `landed` is called as soon as others can see the version, before it is known to count. Rejects with a `Landed` error
   * where the version has been written and could not be checked.
   */
  async append(base: Version | undefined, draft: Draft, mayLand: () => void, landed: () => Promise<void>): Promise<Written> {
    const under = base ?? (await this.#ensureOrigin())
    const chain = base?.record?.chain ?? (await this.#ensureOrigin()).id
    const record: LeaseRecord = { election: this.#election, chain, write: systemClock.id(), ...draft }
    const text = encodeRecord(record)
    const version: Version = {
      number: under.number + 1,
      bytes: Buffer.from(text),
      record,
      fencingToken: record.fencingToken,
      ttlMs: record.ttlMs,
      memo: record.memo,
    }
    const basePath = base ? this.#path(base.number) : this.#originPath
    await this.#tidying
    const published = await this.#publish(text, this.#path(version.number), mayLand, async () => {
      const [stands] = await Promise.all([this.#stands(version, basePath, under.bytes), landed()])
      return stands ? version : 'void'
    })
    return published ?? 'raced'
  }

  /** Resolves when nothing is being cleaned up. */
  tidied(): Promise<unknown> {
    return this.#tidying
  }

  /** Whether this version descends from the origin that is there now. */
  async descends({ record }: Version): Promise<boolean> {
    const bytes = await this.#read(this.#originPath)
    return bytes !== undefined && decodeOrigin(bytes, this.#originPath).id === record?.chain
  }

  get #originPath(): string {
    return join(this.dir, 'origin')
  }

  #path(number: number): string {
    return join(this.dir, `${number}.json`)
  }

  async #list(): Promise<string[]> {
    return (await this.#disk.list(this.dir).catch(unless('ENOENT'))) ?? []
  }

  #read(path: string): Promise<Buffer | undefined> {
    return this.#disk.read(path).catch(unless('ENOENT'))
  }

  /**
   * Give a complete file its name, and do what follows from it; `undefined` where that name is taken. Nobody ever sees
   * half of a file: `link` comes after its data is on the disk.
   */
  async #publish<T>(text: string, path: string, mayLand: () => void, landed: () => Promise<T>): Promise<T | undefined> {
    // The names of files are chosen by many processes: never by an injected clock, which could repeat them.
    const temporary = join(this.dir, `${systemClock.id()}.tmp`)
    // Where it cannot be removed it is litter, and swept as such: what was published stands all the same.
    const drop = () => this.#disk.remove(temporary).catch(() => {})
    try {
      await this.#disk.write(temporary, text)
      mayLand()
      await this.#disk.link(temporary, path).catch((thrown: unknown) => {
        throw linkFaultOf(thrown, this.dir)
      })
    } catch (thrown) {
      await drop()
      // ENOENT: the directory was removed, or somebody took the file for litter. Look again.
      if (codeOf(thrown) === 'EEXIST' || codeOf(thrown) === 'ENOENT') return undefined
      throw thrown
    }
    try {
      const [followed] = await Promise.all([landed(), drop()])
      return followed
    } catch (thrown) {
      throw new Landed(thrown)
    }
  }

  /**
   * Whether a version that was just written counts. A higher one, or a base that has vanished or become another, means
   * that it was written from a view that was old: its number may have been used and cleaned up long ago.
   */
  async #stands(version: Version, basePath: string, baseBytes: Buffer): Promise<boolean> {
    const [names, base] = await Promise.all([this.#disk.list(this.dir).catch(unless('ENOENT')), this.#read(basePath)])
    if (!names || highest(names, this.dir) !== version.number || !base?.equals(baseBytes)) return false
    // Nobody waits for it but the next write.
    this.#tidying = this.#cleanUp(names, version.number)
    return true
  }

  async #ensureOrigin(): Promise<Origin & { readonly bytes: Buffer }> {
    for (let tries = 0; tries < TRIES; tries++) {
      const bytes = await this.#read(this.#originPath)
      if (bytes) {
        const origin = decodeOrigin(bytes, this.#originPath)
        if (origin.election === this.#election) return { ...origin, bytes }
        throw new TenureError(
          'store-unfit',
          `file: ${this.dir} belongs to the election \`${origin.election}\`, not to \`${this.#election}\``,
        )
      }
      await this.#disk.makeDirectory(this.dir)
      // Larger than all numbers of a chain that was here before: a chain grows by less than one version in a millisecond.
      const origin: Origin = { election: this.#election, number: Math.max(1, Math.floor(this.#clock.wall())), id: systemClock.id() }
      const made = async () => {}
      await this.#publish(encodeOrigin(origin), this.#originPath, made, made)
    }
    throw new TenureError('store-unreachable', `file: ${this.dir} is removed faster than it can be made`)
  }

  /** A version that a loss of power destroyed: held for as long as anybody in the chain could have held it. */
  async #garbled(number: number, bytes: Buffer, names: readonly string[]): Promise<Version> {
    let ttlMs = LEAST_GARBLED_MS
    let fencingToken = 0
    let memo: string | undefined
    for (const other of numbersIn(names, this.dir).sort((a, b) => a - b)) {
      const path = this.#path(other)
      const read = other === number ? undefined : await this.#read(path)
      const record = read && decodeRecord(read, path, this.#election)
      ttlMs = Math.max(ttlMs, record?.ttlMs ?? 0)
      fencingToken = Math.max(fencingToken, record?.fencingToken ?? 0)
      memo = record?.memo ?? memo
    }
    return { number, bytes, record: undefined, fencingToken, ttlMs, memo }
  }

  /** Remove what nobody reads any more, never the highest. Whatever becomes of it, the version stands. */
  async #cleanUp(names: readonly string[], top: number): Promise<void> {
    const now = this.#clock.mono()
    const old = numbersIn(names, this.dir)
      .filter((number) => number < top - KEPT)
      .map((number) => `${number}.json`)
    const temporary = names.filter((name) => name.endsWith('.tmp'))
    for (const name of this.#litter.keys()) if (!temporary.includes(name)) this.#litter.delete(name)
    for (const name of temporary) {
      const since = this.#litter.get(name) ?? now
      this.#litter.set(name, since)
      if (now - since > LITTER_MS) old.push(name)
    }
    // What cannot be removed now is tried again after the next write.
    await Promise.allSettled(old.map((name) => this.#disk.remove(join(this.dir, name))))
  }
}

/** A version was written, and nobody knows whether it counts. */
export class Landed extends Error {
  override readonly name = 'Landed'
  constructor(cause: unknown) {
    super('A version was written and could not be checked', { cause })
  }
}

function numbersIn(names: readonly string[], dir: string): number[] {
  const numbers = names.filter((name) => /^[1-9]\d*\.json$/.test(name)).map((name) => Number.parseInt(name, 10))
  if (numbers.every((number) => number < Number.MAX_SAFE_INTEGER)) return numbers
  throw new TenureError('store-unfit', `file: cannot use ${dir}: a version in it has a number that was not given by this store`)
}

function highest(names: readonly string[], dir: string): number | undefined {
  const numbers = numbersIn(names, dir)
  return numbers.length === 0 ? undefined : Math.max(...numbers)
}
