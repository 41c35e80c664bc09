// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is looked for is the text of templates

import { afterEach, describe, expect, test } from 'vitest'
import { Candidate } from '../../../src/index.ts'
import { Ttls, USUAL_TTL_MS } from '../../../src/stores/postgres-advisory/ttls.ts'
import { postgresAdvisory } from '../../../src/stores/postgres-advisory.ts'
import { type Change, plant } from '../../harness/plant.ts'
import { until } from '../../harness/server.ts'
import { available, Bench, bidFor, calm, fresh, storeOf } from './bench.ts'
import type { Make } from './checks.ts'
import { standingChecks } from './standing.ts'

const folder = 'src/stores/postgres-advisory'
const sql = `${folder}/statements.ts`
const bids = `${folder}/bids.ts`
const bidding = `${folder}/bidding.ts`
const holds = `${folder}/holds.ts`
const locks = `${folder}/locks.ts`

const ROWLESS = 'a row that was deleted gives a neighbour nothing, neither by its bid nor by its release'
const FORGOTTEN = 'the ttl of an election that nobody here stands in any more is forgotten'

const MINE = "WHEN k.mine THEN CASE WHEN $8::boolean THEN 'taken' ELSE 'held' END"

/** Each is a change to the source, and the check that it does not pass. */
const faults: readonly (Change & { readonly fault: string; readonly check: string })[] = [
  {
    fault: 'without a row, a lock of this session is anybody’s',
    file: sql,
    find: MINE,
    replace: "WHEN k.mine THEN CASE WHEN starts_with(s.holder, ${here}) AND ${stands('s')} THEN 'held' ELSE 'taken' END",
    check: ROWLESS,
  },
  {
    fault: 'whoever is released frees the lock of the session',
    file: holds,
    find: 'return owner === undefined || owner.bid.holder === holder',
    replace: 'return true',
    check: ROWLESS,
  },
  {
    fault: 'who leads is told by the row alone',
    file: bids,
    find: 'if (!owner || owner.bid.holder === standing.lease?.holder) return',
    replace: 'return',
    check: ROWLESS,
  },
  {
    fault: 'what was given is judged by the row',
    file: sql,
    find: MINE,
    replace: "WHEN k.mine THEN CASE WHEN starts_with(s.holder, ${here}) AND ${stands('s')} THEN 'held' ELSE 'taken' END",
    check: 'what was given to who waits is taken, although a row is of a dead session with the same process id',
  },
  {
    fault: 'a release that can tell nobody ends the session',
    file: `${folder}/keeper.ts`,
    find: 'unlockStatement, dropStatement]',
    replace: 'unlockStatement]',
    check: 'a release of which nobody can be told frees the lock, and leaves the neighbours alone',
  },
  {
    fault: 'a bid leaves although nobody waits for it',
    file: bidding,
    find: 'signal?.aborted !== true && !this.isReleased(bid.holder)',
    replace: '(signal?.aborted || !this.isReleased(bid.holder))',
    check: 'a bid that was given up before it could leave never does',
  },
  {
    fault: 'a bid leaves although it was released',
    file: bidding,
    find: 'signal?.aborted !== true && !this.isReleased(bid.holder)',
    replace: 'signal?.aborted !== true',
    check: 'a bid that was released before it could leave never does',
  },
  {
    fault: 'a bid is known once it has left',
    file: bidding,
    find: 'if (mark) mark.released = true',
    replace: '',
    check: 'a bid that was released before it could leave never does',
  },
  {
    fault: 'what was released in the air is won',
    file: bids,
    find: 'held.leaving = this.#bidding.isReleased(bid.holder)',
    replace: '',
    check: 'a bid that was released while it was in the air is not won, and leaves no lock',
  },
  {
    fault: 'the ttl of what was watched is kept',
    file: locks,
    find: 'this.#ttls.leave(election)',
    replace: '',
    check: FORGOTTEN,
  },
  {
    fault: 'the ttl of what was bid for is kept',
    file: locks,
    find: 'this.#ttls.leave(bid.election)',
    replace: '',
    check: FORGOTTEN,
  },
  {
    fault: 'the ttl of what was held is kept',
    file: holds,
    find: 'this.#parts.ttls.leave(election)',
    replace: '',
    check: FORGOTTEN,
  },
  {
    fault: 'who waits stays as patient as it was',
    file: `${folder}/waiter.ts`,
    find: 'await keeper.fit()',
    replace: '',
    check: 'who waits is not more patient than what stands needs',
  },
]

describe('ttls', () => {
  test('are known while anything stands, and forgotten with the last of it', () => {
    const ttls = new Ttls()
    expect([ttls.least, ttls.most, ttls.get('a')]).toEqual([USUAL_TTL_MS, USUAL_TTL_MS, USUAL_TTL_MS])
    ttls.enter('a')
    ttls.enter('b')
    ttls.enter('c')
    expect([ttls.set('a', 2000), ttls.set('a', 2000), ttls.set('b', 600_000), ttls.set('c', 2000)]).toEqual([true, false, true, true])
    expect([ttls.least, ttls.most, ttls.get('b')]).toEqual([2000, 600_000, 600_000])
    ttls.enter('b', 600_000)
    ttls.leave('b')
    expect(ttls.most).toBe(600_000)
    ttls.leave('b')
    expect([ttls.least, ttls.most, ttls.get('b')]).toEqual([2000, 2000, USUAL_TTL_MS])
    ttls.leave('a')
    expect(ttls.most).toBe(2000)
    expect(ttls.set('c', 9000)).toBe(true)
    expect([ttls.least, ttls.most]).toEqual([9000, 9000])
    ttls.leave('c')
    expect([ttls.least, ttls.most]).toEqual([USUAL_TTL_MS, USUAL_TTL_MS])
    expect(ttls.set('c', 9000)).toBe(false)
  })

  test('what is won when nobody waits any more brings its own; a bid since then counts more', () => {
    const ttls = new Ttls()
    ttls.enter('a', 7000)
    expect(ttls.most).toBe(7000)
    ttls.set('a', 5000)
    ttls.enter('a', 7000)
    expect([ttls.least, ttls.most]).toEqual([5000, 5000])
  })
})

describe.skipIf(!available)('what stands in one process', { timeout: 60_000 }, () => {
  const bench = Bench.use()
  const candidates: Candidate[] = []
  afterEach(async () => {
    await Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
    await bench.clear()
    // Their locks are counted.
    await bench.disconnected()
  })

  test.each(standingChecks(25_000))('the right store: $name', ({ ask }) => ask(bench, track(postgresAdvisory)))

  test.each(faults)('$fault', async ({ check: name, fault: _, ...change }) => {
    const check = standingChecks(4000).find((each) => each.name === name)
    if (!check) throw new Error(`no check is called ${name}`)
    const faulty = (await plant('src/stores/postgres-advisory.ts', [change])) as { postgresAdvisory: Make }
    await expect(check.ask(bench, track(faulty.postgresAdvisory))).rejects.toThrow()
  })

  test('the row is deleted: nobody works before the work of the first has ended', async () => {
    const store = storeOf(bench)
    const election = fresh()
    let mayEnd: () => void = () => {}
    const drained = new Promise<void>((resolve) => {
      mayEnd = resolve
    })
    const seen: string[] = []
    const stand = (id: string) => {
      const work = async ({ signal }: { readonly signal: AbortSignal }) => {
        seen.push(`${id} begins`)
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        if (id === 'one') await drained
        seen.push(`${id} ends`)
      }
      const candidate = new Candidate({ store, election, id, ttlMs: 60_000, work })
      candidates.push(candidate)
      return candidate
    }
    const [one, two] = [stand('one'), stand('two')]
    await one.start()
    await two.start()
    await bench.admin.query('DELETE FROM tenure_lease WHERE name = $1', [election])
    let deposed = false
    one.on('deposed', () => {
      deposed = true
    })
    // Until it is deposed, and afterwards while its work ends, the other is told to look.
    await until('it is deposed', async () => {
      await bench.admin.query("SELECT pg_notify('tenure_release', $1)", [election])
      return deposed
    })
    await bench.admin.query("SELECT pg_notify('tenure_release', $1)", [election])
    const stray = bidFor(election)
    expect((await store.acquire(stray, calm()))?.holder).not.toBe(stray.holder)
    await store.release(stray, calm())
    expect(two.isLeader).toBe(false)
    expect(seen).toEqual(['one begins'])
    mayEnd()
    await until('one of them works', () => seen.length === 3)
    expect(seen.slice(0, 2)).toEqual(['one begins', 'one ends'])
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
