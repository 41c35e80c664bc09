/**
 * Faults planted in the file store, each with the scenario that has to notice. A scenario that fails for none of them
 * shows nothing.
 */

import type { Change } from './bundle.ts'

export interface Mutant extends Change {
  readonly name: string
  /** Where one line does not make it. */
  readonly also?: Change
  /** The scenario that catches it. */
  readonly caughtBy: string
}

const at = (part: string) => `src/stores/file/${part}.ts`

export const mutants: readonly Mutant[] = [
  {
    name: 'a version is put in place by renaming',
    file: at('disk'),
    find: "import { link, mkdir, open, readdir, stat, unlink, utimes } from 'node:fs/promises'",
    replace: "import { rename as link, mkdir, open, readdir, stat, unlink, utimes } from 'node:fs/promises'",
    caughtBy: 'two that saw the same free lease: one wins',
  },
  {
    name: 'a version is put in place by copying',
    file: at('disk'),
    find: "import { link, mkdir, open, readdir, stat, unlink, utimes } from 'node:fs/promises'",
    replace: "import { copyFile as link, mkdir, open, readdir, stat, unlink, utimes } from 'node:fs/promises'",
    caughtBy: 'a renewal that comes after its successor is refused',
  },
  {
    name: 'the first version has a number of the bidder’s own clock',
    file: at('chain'),
    find: 'if (origin.election === this.#election) return { ...origin, bytes }',
    replace: 'if (origin.election === this.#election) return { ...origin, number: Math.floor(this.#clock.wall()), bytes }',
    caughtBy: 'twelve first bids on an empty directory, held up between list and link: one wins',
  },
  {
    name: 'nobody looks again after a link',
    file: at('chain'),
    find: '!names || highest(names, this.dir) !== version.number || !base?.equals(baseBytes)',
    replace: '!names',
    caughtBy: 'a bid that slept until its number was used and cleaned up means nothing',
  },
  {
    name: 'the version built upon is not looked at again',
    file: at('chain'),
    find: ' || !base?.equals(baseBytes)',
    replace: '',
    caughtBy: 'a write on top of a version that has vanished means nothing',
  },
  {
    name: 'the version built upon only has to have its name',
    file: at('chain'),
    find: '!base?.equals(baseBytes)',
    replace: '!base',
    caughtBy: 'a first bid that slept while its directory was removed and made anew means nothing',
  },
  {
    name: 'the highest version is cleaned up',
    file: at('chain'),
    find: 'number < top - KEPT',
    replace: 'number <= top && numbersIn(names, this.dir).length > KEPT',
    caughtBy: 'the last eight versions below the highest are kept, and the highest for ever',
  },
  {
    name: 'only the highest version is kept',
    file: at('chain'),
    find: 'number < top - KEPT',
    replace: 'number < top',
    caughtBy: 'the last eight versions below the highest are kept, and the highest for ever',
  },
  {
    name: 'an unreadable version counts as free',
    file: at('chain'),
    find: 'return { number, bytes, record: undefined, fencingToken, ttlMs, memo }',
    replace: 'return { number, bytes, record: undefined, fencingToken, ttlMs: 0, memo }',
    caughtBy: 'an unreadable highest version counts as held for the largest ttl in its chain, then it is superseded',
  },
  {
    name: 'a record of another format counts as unreadable',
    file: at('record'),
    find: 'if (format !== FORMAT) throw foreign',
    replace: 'if (format !== FORMAT) return undefined; if (format !== FORMAT) throw foreign',
    caughtBy: 'a record that is not ours, or of another format, is refused and never superseded',
  },
  {
    name: 'a release removes the lease',
    file: at('lease'),
    find: 'const { candidate, fencingToken, acquiredAt, memo } = record\n',
    replace:
      'const { candidate, fencingToken, acquiredAt, memo } = record\n      if (fencingToken) return this.#parts.disk.remove(join(this.#parts.dir, `${seen.number}.json`))\n',
    caughtBy: 'tokens grow although the wall clock is set back',
  },
  {
    name: 'a renewal only touches a file',
    file: at('lease'),
    find: 'const written = await this.#reviseVersion(seen, record, change, held, signal)',
    replace:
      'await this.#parts.disk.touch(join(this.#parts.dir, `${seen.number}.json`), 1)\n      const written = seen as Written\n      if (!seen) await this.#reviseVersion(seen, record, change, held, signal)',
    caughtBy: 'each renewal is seen, and starts the wait of everybody anew',
  },
  {
    name: 'a lost race counts as a renewal',
    file: at('lease'),
    find: "if (written === 'raced') continue\n      if (written === 'void') return undefined\n      this.#sightings.see(written)",
    replace: "if (written === 'void') return undefined\n      if (written !== 'raced') this.#sightings.see(written)",
    caughtBy: 'a renewal that comes after its successor is refused',
  },
  {
    name: 'a holder renews although its ttl has passed',
    file: at('lease'),
    find: 'if (held && this.#leftMs(held) <= 0) return undefined',
    replace: '',
    caughtBy: 'a lease that ended for its holder first is renewed by nobody',
  },
  {
    name: 'renewals wake everybody',
    file: at('lease'),
    find: '() => this.#pulse.beat(),',
    replace: '() => this.#bell.ring(),',
    caughtBy: 'acquisitions and releases wake who watches, renewals do not',
  },
  {
    name: 'an aborted bid that landed is left there',
    file: at('lease'),
    find: 'await this.#releaseVersion(holder).catch(() => {})',
    replace: '',
    caughtBy: 'a bid that was given up before it landed never lands, and one that landed is given back',
  },
  {
    name: 'the socket is closed before the lease is given back',
    file: at('lease'),
    find: '    try {\n      await this.#releaseVersion(holder)\n      given = true\n',
    replace:
      '    try {\n      await this.#held.get(holder)?.lifeline?.close()\n      await this.#releaseVersion(holder)\n      given = true\n',
    caughtBy: 'each tenure has a socket of its own, closed after its release and not before',
  },
  {
    name: 'closing the store object closes the sockets of its leaders',
    file: at('lease'),
    find: '    await this.#queue.idle()\n',
    replace: '    await this.#queue.idle()\n    for (const { lifeline } of this.#held.values()) await lifeline?.close()\n',
    caughtBy: 'a socket stays while a lease was not given back, whatever becomes of the lease and the store object',
  },
  {
    name: 'time is observed by the wall clock',
    file: at('sightings'),
    find: 'this.#last.ttlMs - (this.#clock.mono() - this.#since)',
    replace: 'this.#last.ttlMs - (this.#clock.wall() - 1767225600000 + 1000 - this.#since)',
    caughtBy: 'a wall clock that is stepped ends no lease',
  },
  {
    name: 'a version is known by its number',
    file: at('sightings'),
    find: 'version.number === last.number && version.bytes.equals(last.bytes)',
    replace: 'version.number === last.number',
    caughtBy: 'the same number in a directory made anew is another version',
  },
  {
    name: 'a chain that vanished is free at once',
    file: at('sightings'),
    find: 'this.#haunt(last.record)',
    replace: 'this.#haunt.name',
    caughtBy: 'who has seen a holder waits out its ttl when the chain vanishes; who has not bids at once',
  },
  {
    name: 'time is counted from before the read',
    file: at('lease'),
    find: 'const seen = await this.#chain.look()\n    this.#sightings.see(seen)',
    replace:
      'const asked = this.#parts.clock.mono()\n    const seen = await this.#chain.look()\n    const { clock } = this.#parts\n    const mono = clock.mono\n    clock.mono = () => asked\n    this.#sightings.see(seen)\n    clock.mono = mono',
    caughtBy: 'a lease is watched from when its read returned, not from when it was asked for',
  },
  {
    name: 'a socket that cannot be found means death',
    file: at('lifeline'),
    find: "      // No socket, no right to it, no descriptor left: none of it proves that anybody died.\n      return 'silent'",
    replace: "      return 'dead'",
    caughtBy: 'a socket that is missing proves nothing',
  },
  {
    name: 'a socket is known by its name',
    file: at('lifeline'),
    find: "if (found.device !== mark.device || found.inode !== mark.inode || found.madeAt !== mark.madeAt) return 'silent'",
    replace: "if (!found) return 'silent'",
    caughtBy: 'a socket that was replaced proves nothing',
  },
  {
    name: 'a refusal counts on every machine',
    file: at('lifeline'),
    find: "if (boot === undefined || boot !== mark.boot) return 'silent'",
    replace: '',
    caughtBy: 'a refusal on another machine, or after another boot, proves nothing',
  },
  {
    name: 'the socket has the same name each time',
    file: at('lifeline'),
    find: 'const id = systemClock.id().slice(0, 16)',
    replace: 'const id = String(process.pid)',
    caughtBy: 'each tenure has a socket of its own, closed after its release and not before',
  },
  {
    name: 'the socket keeps the name that the runtime removes when a program ends',
    file: at('lifeline'),
    find: 'withShortPath(folder, `${id}.new`, ',
    replace: 'withShortPath(folder, name, ',
    also: { file: at('lifeline'), find: 'await rename(join(folder, `${id}.new`), path)', replace: 'await identityOf(path)' },
    caughtBy: 'a leader that died is felt, before its ttl',
  },
  {
    name: 'the end of a connection is believed without asking',
    file: at('bond'),
    find: 'await this.#again(tie.mark)\n  }',
    replace: 'this.#dead = tie.mark.name\n    this.#parts.lost(tie.mark)\n  }',
    caughtBy: 'a connection that ends while its leader lives is made anew, and deposes nobody',
  },
  {
    name: 'renewals are seen only by who looks',
    file: at('pulse'),
    find: 'await this.#parts.look().catch(() => {})',
    replace: '',
    caughtBy: 'who watches sees each renewal when it is made: a lease is over a ttl after the last',
  },
]
