// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is looked for is the text of templates

import { afterEach, describe, expect, test } from 'vitest'
import { postgresAdvisory } from '../../../src/stores/postgres-advisory.ts'
import { type Change, plant } from '../../harness/plant.ts'
import { available, Bench } from './bench.ts'
import { checksWithin, type Make } from './checks.ts'

const folder = 'src/stores/postgres-advisory'
const sql = `${folder}/statements.ts`
const keeper = `${folder}/keeper.ts`
const bids = `${folder}/bids.ts`
const crew = `${folder}/crew.ts`
const terms = `${folder}/terms.ts`
const waiter = `${folder}/waiter.ts`

const ALONE = 'a live lease is another’s, in this process too; the lock is taken once'

/** Each is a change to the source, and the check that it does not pass. */
const faults: readonly (Change & { readonly fault: string; readonly check: string })[] = [
  {
    fault: 'a lock of this session is taken over from a neighbour',
    file: sql,
    find: "WHEN k.mine THEN CASE WHEN $8::boolean THEN 'taken' ELSE 'held' END",
    replace: "WHEN k.mine THEN 'taken'",
    check: ALONE,
  },
  {
    fault: 'the lock is taken without a look: it stacks',
    file: sql,
    find: "    WHEN k.mine THEN CASE WHEN $8::boolean THEN 'taken' ELSE 'held' END\n    WHEN k.id IS NOT NULL THEN 'held'\n",
    replace: '',
    check: ALONE,
  },
  {
    fault: 'a bid that is repeated is another bid',
    file: bids,
    find: 'if (owner && owner.bid.holder === bid.holder) return this.#own(bid)',
    replace: '',
    check: ALONE,
  },
  {
    fault: 'a holder that was here comes back',
    file: sql,
    find: "WHEN ${holderIn('s')} = b.holder THEN",
    replace: "WHEN ${holderIn('s')} = b.holder AND k.mine THEN",
    check: 'a holder that was released does not come back',
  },
  {
    fault: 'a release does not look whose lock it is',
    file: sql,
    find: 'CASE WHEN k.mine AND b.frees THEN',
    replace: 'CASE WHEN k.mine THEN',
    check: 'the release of a previous holder frees nothing',
  },
  {
    fault: 'the token is the clock alone',
    file: sql,
    find: "token = ${d.larger('l.token + 1', d.micros(d.now))}",
    replace: 'token = ${d.micros(d.now)}',
    check: 'the token grows past a clock that was ahead, and past a row that was deleted',
  },
  {
    fault: 'the token is a counter of the row',
    file: sql,
    find: 'SELECT name, mark, candidate, advert, ${d.micros(d.now)}',
    replace: 'SELECT name, mark, candidate, advert, 1',
    check: 'the token grows past a clock that was ahead, and past a row that was deleted',
  },
  {
    fault: 'a heartbeat does not look whose row it is, and frees the lock under the work',
    file: sql,
    find: "  WHEN l.format IS DISTINCT FROM ${FORMAT} OR l.holder IS DISTINCT FROM ${here} || b.holder THEN 'lost'\n",
    replace: '',
    check: 'a row that was deleted is noticed, and the lock is not free before its release',
  },
  {
    fault: 'a heartbeat does not look for the lock',
    file: sql,
    find: 'WHEN k.mine IS NOT TRUE OR pg_backend_pid()',
    replace: 'WHEN pg_backend_pid()',
    check: 'a lock that was lost on a living session is noticed',
  },
  {
    fault: 'a lock of another database is taken for this one',
    file: sql,
    find: '\n    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())',
    replace: '',
    check: 'a raw lock is excluded, and excludes; others are not concerned',
  },
  {
    fault: 'a lock of two integers is taken for that of one',
    file: sql,
    find: "locktype = 'advisory' AND objsubid = 1 AND granted",
    replace: "locktype = 'advisory' AND granted",
    check: 'a raw lock is excluded, and excludes; others are not concerned',
  },
  {
    fault: 'the key is not asked for',
    file: sql,
    find: 'coalesce(${raw}::bigint, hashtextextended',
    replace: 'coalesce(nullif(${raw}::bigint, 42), hashtextextended',
    check: 'a raw lock is excluded, and excludes; others are not concerned',
  },
  {
    fault: 'a bid is granted its ttl, however patient the server',
    file: bids,
    find: 'sentAt + Math.min(bid.ttlMs, wire.patienceMs))',
    replace: 'sentAt + bid.ttlMs)',
    check: 'no more is granted than the server is patient',
  },
  {
    fault: 'a renewal is granted its ttl, however patient the server',
    file: keeper,
    find: 'const grantedMs = Math.min(bid.ttlMs, this.wire.patienceMs)',
    replace: 'const grantedMs = bid.ttlMs',
    check: 'no more is granted than the server is patient',
  },
  {
    fault: 'a bid is counted from its answer',
    file: bids,
    find: 'this.#hold(bid, Number(token), sentAt)',
    replace: 'this.#hold(bid, Number(token), clock.mono())',
    check: 'what is left counts from when the statement left',
  },
  {
    fault: 'a renewal is counted from its answer',
    file: keeper,
    find: 'sentAt + grantedMs)',
    replace: 'this.#parts.clock.mono() + grantedMs)',
    check: 'what is left counts from when the statement left',
  },
  {
    fault: 'what has lapsed is left to the session',
    file: keeper,
    find: 'void this.#giveBack(lapsed.map(({ bid }) => bid))',
    replace: 'void lapsed',
    check: 'what is not renewed lapses although its neighbours are',
  },
  {
    fault: 'the lock of a failed mint is kept',
    file: bids,
    find: 'if (isRefusal(thrown)) await giveBack(',
    replace: 'if (isRefusal(thrown)) void (',
    check: 'a mint that fails leaves no lock',
  },
  {
    fault: 'a release that cannot have its row frees nothing',
    file: keeper,
    find: 'const FREEING = [freeStatement, unlockStatement, dropStatement]',
    replace: 'const FREEING = [freeStatement]',
    check: 'a release that cannot have its row frees the lock',
  },
  {
    fault: 'a session is ended although a tenure may stand on it',
    file: crew,
    find: 'useless && !keeper.living',
    replace: 'useless',
    check: 'a session is not ended under a living hold because an answer is late',
  },
  {
    fault: 'a session that does not answer is of no use for ever',
    file: `${folder}/wire.ts`,
    find: '        flight.late = true\n',
    replace: "        this.doom(new Error('late'))\n",
    check: 'a session is not ended under a living hold because an answer is late',
  },
  {
    fault: 'the server is not told to end a silent session',
    file: terms,
    find: "set_config('idle_session_timeout', $1, false)",
    replace: "set_config('idle_session_timeout', '0', false), $1::text",
    check: 'a holder that went silent is freed by the server after its ttl',
  },
  {
    fault: 'a waiter that is gone waits on at the server',
    file: terms,
    find: "set_config('client_connection_check_interval', '500', false)",
    replace: "set_config('client_connection_check_interval', '0', false)",
    check: 'who waits and is gone does not wait on at the server',
  },
  {
    fault: 'who nobody waits for goes on waiting',
    file: waiter,
    find: 'if (this.#wanted.delete(election) && this.#blockedFor === election) this.drop()',
    replace: 'this.#wanted.delete(election)',
    check: 'who waits and is gone does not wait on at the server',
  },
  {
    fault: 'what was given to who waits is kept',
    file: waiter,
    find: 'clock.timer(offerMs(), () => this.#giveBack(election), false)',
    replace: 'clock.timer(offerMs(), () => {}, false)',
    check: 'a crash is felt by who waits, and what nobody takes is given back',
  },
  {
    fault: 'nobody waits at the server',
    file: waiter,
    find: 'if (this.#parts.blocks && !this.#running) void this.#run()',
    replace: '',
    check: 'a crash is felt by who waits, and what nobody takes is given back',
  },
  {
    fault: 'a session that holds nothing is kept for ever',
    file: crew,
    find: 'keeper !== this.#main && !this.#retained.has(keeper) && !keeper.holding && !wire.busy',
    replace: 'false',
    check: 'who waits and is gone does not wait on at the server',
  },
]

describe.skipIf(!available)('planted faults', () => {
  const bench = Bench.use()
  afterEach(async () => {
    await bench.clear()
    // Their locks are counted.
    await bench.disconnected()
  })

  test.each(checksWithin(25_000))('the right store: $name', ({ ask }) => ask(bench, track(postgresAdvisory)))

  test.each(faults)('$fault', async ({ check: name, fault: _, ...change }) => {
    const check = checksWithin(5000).find((each) => each.name === name)
    if (!check) throw new Error(`no check is called ${name}`)
    const faulty = (await plant('src/stores/postgres-advisory.ts', [change])) as { postgresAdvisory: Make }
    await expect(check.ask(bench, track(faulty.postgresAdvisory))).rejects.toThrow()
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
