// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is looked for is the text of templates

import { afterEach, describe, expect, test } from 'vitest'
import { postgres } from '../../../src/stores/postgres.ts'
import { type Change, plant } from '../../harness/plant.ts'
import { available, Bench } from './bench.ts'
import { checksWithin, type Make } from './checks.ts'

const sql = 'src/stores/shared/sql.ts'
const leases = 'src/stores/postgres/leases.ts'
const failures = 'src/stores/postgres/failures.ts'
const line = 'src/stores/postgres/line.ts'
const pace = 'src/stores/postgres/pace.ts'
const pool = 'src/stores/postgres/pg-pool.ts'
const schema = 'src/stores/postgres/schema.ts'

/** Each is a change to the source, and the check that it does not pass. */
const faults: readonly (Change & { readonly fault: string; readonly check: string; readonly also?: Change })[] = [
  {
    fault: 'a bid takes what is held',
    file: sql,
    find: '<> ${b}.holder AND (${l}.expires_at <= ${d.now} OR',
    replace: '<> ${b}.holder AND (true OR',
    check: 'a live lease is another’s',
  },
  {
    fault: 'an expired lease is renewed',
    file: sql,
    find: 'WHERE l.expires_at > ${d.now} AND ${durably',
    replace: 'WHERE true AND ${durably',
    also: { file: sql, find: 'm.name AND l.expires_at > ${d.now} RETURNING', replace: 'm.name RETURNING' },
    check: 'a holder that has expired does not come back',
  },
  {
    fault: 'the expiry is looked at before the lock is waited for, and not after',
    file: sql,
    find: 'WHERE l.name = m.name AND l.expires_at > ${d.now} RETURNING',
    replace: 'WHERE l.name = m.name RETURNING',
    check: 'a lease that runs out while its renewal waits is over',
  },
  {
    fault: 'the time is that at which the statement began',
    file: sql,
    find: "now: 'clock_timestamp()'",
    replace: "now: 'now()'",
    check: 'a lease that runs out while its renewal waits is over',
  },
  {
    fault: 'a holder that was here comes back',
    file: sql,
    find: '${l}.holder <> ${b}.holder AND (',
    replace: '(',
    check: 'a holder that has expired does not come back',
  },
  {
    fault: 'renewing does not match the holder',
    file: sql,
    find: 'ON l.name = b.name AND l.holder = b.holder\n',
    replace: 'ON l.name = b.name\n',
    check: 'renewing and releasing match the holder',
  },
  {
    fault: 'releasing does not match the holder',
    file: sql,
    find: 'l.holder = b.holder AND l.expires_at > ${d.never} AS mine',
    replace: 'l.expires_at > ${d.never} AS mine',
    check: 'renewing and releasing match the holder',
  },
  {
    fault: 'the token is the clock alone',
    file: sql,
    find: 'token = ${d.larger(`${l}.token + 1`, d.micros(d.now))}',
    replace: 'token = ${d.micros(d.now)}',
    check: 'the token grows past a clock that was ahead, and past a row that was deleted',
  },
  {
    fault: 'the token is a counter of the row',
    file: sql,
    find: '${b}.advert, ${micros(now)}, ${b}.ttl',
    replace: '${b}.advert, 1, ${b}.ttl',
    check: 'the token grows past a clock that was ahead, and past a row that was deleted',
  },
  {
    fault: 'a batch waits for a locked row',
    file: sql,
    find: "' SKIP LOCKED'",
    replace: "''",
    check: 'a locked row holds up nobody but itself, and that not for ever',
  },
  {
    fault: 'a lock is waited for for ever',
    file: sql,
    find: "set_config('lock_timeout', ${waitMs}, true) || set_config",
    replace: "set_config('lock_timeout', left(${waitMs}, 0) || '0', true) || set_config",
    check: 'a locked row holds up nobody but itself, and that not for ever',
  },
  {
    fault: 'a locked row counts as refused',
    file: leases,
    find: "const waiting = leaseStatements('one', 'waits')",
    replace: 'const waiting = one',
    check: 'a locked row holds up nobody but itself, and that not for ever',
  },
  {
    fault: 'a release does not wait',
    file: sql,
    find: "WHERE ${patiently('$3')} ORDER BY l.name ${lock}",
    replace: "WHERE ${patiently('$3')} AND l.holder = b.holder ORDER BY l.name ${lock}",
    check: 'a release waits for a bid of its holder',
  },
  {
    fault: 'the first row is not raced for',
    file: sql,
    find: ' ON CONFLICT (name) DO NOTHING',
    replace: '',
    check: 'two first bids at once are one lease and one answer',
  },
  {
    fault: 'one election twice in a batch',
    file: 'src/stores/shared/coalesce.ts',
    find: 'batch.set(call.name, call)',
    replace: 'batch.set(call.name + batch.size, call)',
    check: 'the same election twice in one turn',
  },
  {
    fault: 'a lease is watched, and not whether it is the same one',
    file: 'src/stores/postgres/sightings.ts',
    find: ' && last.expiry === ahead.expiry',
    replace: '',
    check: 'a lease far ahead is over only for whoever has seen that very one for its ttl',
  },
  {
    fault: 'a lease far ahead is kept',
    file: leases,
    find: 'if (stale === null) return lease',
    replace: 'return lease',
    check: 'a lease far ahead is over only for whoever has seen that very one for its ttl',
  },
  {
    fault: 'a connection goes back to the pool with a statement in the air',
    file: pool,
    find: "    call(streamOf(this.#client), 'destroy')\n    this.#client.release(true)",
    replace: '    this.#client.release()',
    check: 'a connection with a statement in the air is never used again',
  },
  {
    fault: 'a session is used again after a call was given up',
    file: line,
    find: '        reject(error)\n        this.#drop(error)',
    replace: '        reject(error)\n        this.#next()',
    check: 'a connection with a statement in the air is never used again',
  },
  {
    fault: 'nobody listens on the next connection',
    file: 'src/stores/postgres/watches.ts',
    find: '    this.#listening = undefined\n    for',
    replace: '    for',
    also: { file: 'src/stores/postgres/watches.ts', find: 'if (this.#listening?.session !== session)', replace: 'if (!this.#listening)' },
    check: 'a watch is armed again on another connection',
  },
  {
    fault: 'a release that overtook its bid is not repeated',
    file: 'src/stores/postgres.ts',
    find: 'doubts.add(bid)',
    replace: 'void bid',
    check: 'a release that overtakes its own first bid is repeated',
  },
  {
    fault: 'a connection is kept for ever',
    file: 'src/stores/postgres/watches.ts',
    find: 'if (!this.any) this.#parts.line.relax()',
    replace: '',
    check: 'nothing is left when nothing stands',
  },
  {
    fault: 'a call that waited in vain says nothing',
    file: leases,
    find: 'if (signal.aborted) this.#parts.swift.doubt',
    replace: 'if (!signal) this.#parts.swift.doubt',
    check: 'a patient call on a silent connection holds up nobody',
  },
  {
    fault: 'the busy call alone decides how long its session may be silent',
    file: line,
    find: 'if (this.#busy !== busy) return',
    replace: 'if (this.#busy) return',
    check: 'a patient call on a silent connection holds up nobody',
  },
  {
    fault: 'a session is given up although its answer has arrived',
    file: line,
    find: 'clock.afterPending(() => {',
    replace: 'queueMicrotask(() => {',
    check: 'an answer that came while the loop was blocked is seen before its session is given up',
  },
  {
    fault: 'what was cut short is not remembered',
    file: line,
    find: 'this.#pace.note(silentMs)',
    replace: '',
    check: 'a call that takes its time is answered, although others cannot wait for it',
  },
  {
    fault: 'a server may be as slow as the most hasty can afford',
    file: pace,
    find: ': 2 * this.#slowestMs',
    replace: ': 0',
    check: 'a call that takes its time is answered, although others cannot wait for it',
  },
  {
    fault: 'a refusal of one row is taken for one of all',
    file: failures,
    find: '/^(08|0A|',
    replace: '/^(42|08|0A|',
    check: 'a policy that refuses one row refuses nobody else',
  },
  {
    fault: 'a trigger may fail in a few ways only',
    file: failures,
    find: 'state !== undefined && !ofConnection.test(state)',
    replace: "/^(21|22|23|40|54|55|P0|42501)/.test(state ?? '')",
    check: 'a trigger that refuses one row refuses nobody else',
  },
  {
    fault: 'a release that cannot be told is none',
    file: leases,
    find: "      quietly: 'releaseQuietly',\n",
    replace: '',
    check: 'a release that cannot be told is a release',
  },
  {
    fault: 'a full queue is not known',
    file: failures,
    find: "'54000', ",
    replace: '',
    check: 'a release that cannot be told is a release',
  },
  {
    fault: 'nobody is told, whether the server can or not',
    file: leases,
    find: "verb('release', {",
    replace: "verb('releaseQuietly', {",
    check: 'a watch is armed again on another connection',
  },
  {
    fault: 'the type that comes with a table is not known for it',
    file: schema,
    find: ", '42710']",
    replace: ']',
    check: 'a table that somebody else makes between the look and the making is no failure',
  },
  {
    fault: 'whatever has the name is taken for the table',
    file: schema,
    find: ' || !(await isThere())',
    replace: '',
    check: 'something else that has the name of a table is told of',
  },
]

describe.skipIf(!available)('planted faults', () => {
  const bench = Bench.use('autovacuum=off')
  afterEach(() => bench.clear())

  test.each(checksWithin(25_000))('the right store: $name', ({ ask }) => ask(bench, track(postgres)))

  test.each(faults)('$fault', async ({ check: name, also, ...change }) => {
    const check = checksWithin(3000).find((each) => each.name === name)
    const faulty = (await plant('src/stores/postgres.ts', [change, ...(also ? [also] : [])])) as { postgres: Make }
    await expect(check?.ask(bench, track(faulty.postgres))).rejects.toThrow()
  })

  /** Stores are closed after each test, whatever state a fault has left them in. */
  function track(make: Make): Make {
    return (client, options) => {
      const store = make(client, options)
      bench.ends(() => store.close())
      return store
    }
  }
})
