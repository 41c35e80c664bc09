/** Laws of the memo: what a leader leaves behind outlives its lease, and nobody else can write it. */

import type { Bid } from '../../store.ts'
import type { Contender } from './contender.ts'
import { expectedBefore, type Lab } from './lab.ts'
import { describeLease, expected, isOurs, type Law, LawBroken, law, type Need } from './law.ts'
import { sleep } from './sleep.ts'

const CONTENDERS = 4
const INCREMENTS = 3
/** So many looks, each with a pause, are more than so few can need. */
const LOOKS = 5000

/** A law of two contenders, for stores that have a memo. */
function memoLaw(
  name: string,
  why: string,
  check: (lab: Lab, a: Contender, b: Contender) => Promise<void>,
  needs: readonly Need[] = [],
): Law {
  const ofTwo = async (lab: Lab) => {
    const [a, b] = await lab.two()
    await check(lab, a, b)
  }
  return law(name, why, ofTwo, ['memo', ...needs])
}

const texts: readonly string[] = [
  'v7',
  '',
  '{"json": "it\'s \\"quoted\\""}',
  "'; DROP TABLE tenure_lease; --",
  'δρ. 世界 🗳️\nsecond line\t"tab" %20{}',
  'x'.repeat(4096),
]

const roundTrip = memoLaw('a memo is read as it was written', 'A version that reads back as another is run again.', async (lab, a, b) => {
  const [bid, other] = [lab.bid(lab.election()), lab.bid(lab.election())]
  is(await b.recall(bid.election), undefined, 'before anybody wrote it')
  const author = await elected(a, bid)
  await elected(a, other)
  is(await b.recall(bid.election), undefined, 'before its leader wrote it')
  for (const text of texts) {
    wrote(await a.remember(author, text), true, 'of a live leader')
    is(await b.recall(bid.election), text, 'after it was written')
    is(await a.recall(bid.election), text, 'by who wrote it')
  }
  is(await b.recall(other.election), undefined, 'of another election')
})

const outlives = memoLaw('a memo outlives the lease', 'Whoever comes tomorrow has to find what was done today.', async (lab, a, b) => {
  const bid = lab.bid(lab.election())
  wrote(await a.remember(await elected(a, bid), 'first'), true, 'of a live leader')
  await a.renew(bid)
  is(await b.recall(bid.election), 'first', 'after a renewal')
  await a.release(bid)
  is(await b.recall(bid.election), 'first', 'after a release')
  const short = lab.shortBid(bid.election)
  await elected(b, short)
  is(await a.recall(bid.election), 'first', 'under the next leader')
  await a.looks(lab.shortBid(bid.election))
  await lab.elapsePast()
  is(await a.recall(bid.election), 'first', 'after expiry')
  const next = lab.bid(bid.election)
  wrote(await a.remember(await elected(a, next), 'second'), true, 'of the next leader')
  await a.release(next)
  await lab.closeOne(a)
  const c = await lab.contender()
  is(await c.recall(bid.election), 'second', 'by a new client')
})

const onlyLive = memoLaw(
  'only a live leader writes a memo',
  'A run that came to its end too late would be taken for one that was done under its lease.',
  async (lab, a, b) => {
    const bid = lab.bid(lab.election())
    wrote(await a.remember({ election: bid.election, fencingToken: 1 }, 'of nobody'), false, 'where nobody leads')
    const author = await elected(a, bid)
    const wrong = { ...author, fencingToken: author.fencingToken + 1 }
    wrote(await a.remember(wrong, 'of a token that is not its own'), false, 'with another token than its own')
    wrote(await a.remember(author, 'right'), true, 'of a live leader')
    await a.release(bid)
    wrote(await a.remember(author, 'late'), false, 'after the release')
    is(await b.recall(bid.election), 'right', 'after refused writes')
  },
)

const expiredWritesNot = memoLaw(
  'an expired leader writes no memo',
  'Somebody else may have begun the same work already.',
  async (lab, a, b) => {
    const bid = lab.shortBid(lab.election())
    const author = await elected(a, bid)
    await b.looks(lab.shortBid(bid.election))
    await lab.elapsePast()
    wrote(await a.remember(author, 'late'), false, 'after expiry')
    is(await b.recall(bid.election), undefined, 'after a refused write')
  },
)

const previousWritesNot = memoLaw(
  'a previous leader cannot write over the memo of its successor',
  'A process that was frozen wakes up and undoes what is known.',
  async (lab, a, b) => {
    const old = lab.shortBid(lab.election())
    const author = await elected(a, old)
    await b.looks(lab.shortBid(old.election))
    await lab.elapsePast()
    const now = lab.bid(old.election)
    const successor = await elected(b, now)
    wrote(await b.remember(successor, 'of the successor'), true, 'of a live leader')
    wrote(await a.remember(author, 'of the predecessor'), false, 'of a previous leader')
    is(await a.recall(old.election), 'of the successor', 'after the write of a previous leader')
    await b.sees(old.election, now.holder, 'the write of a previous leader')
  },
)

const changesNothing = memoLaw(
  'writing a memo changes nothing of the lease',
  'A leader that writes and then freezes would keep everybody out for longer.',
  async (lab, a, b) => {
    const bid = lab.shortBid(lab.election())
    const since = lab.now()
    const author = await elected(a, bid)
    const answeredAt = lab.now()
    await b.looks(lab.shortBid(bid.election))
    await lab.elapse(Math.floor(lab.ttlMs / 2))
    expectedBefore(lab, since, lab.ttlMs, await a.remember(author, 'half-way'), 'a live leader to write its memo', 'a refusal')
    const seen = await b.read(bid.election)
    expectedBefore(
      lab,
      since,
      lab.ttlMs,
      isOurs(seen, bid.holder),
      'writing a memo to leave the lease with its holder',
      describeLease(seen),
    )
    await lab.elapsePast(Math.max(0, Math.ceil(lab.ttlMs - (lab.now() - answeredAt))))
    await b.wins(lab.bid(bid.election), 'for a lease that nobody renewed')
  },
  ['clock'],
)

const noneLost = memoLaw(
  'contenders that count in a memo lose no update',
  'What is read under a lease and written under it was written by nobody in between.',
  async (lab) => {
    const all = await lab.contenders(CONTENDERS)
    const election = lab.election()
    await Promise.all(all.map((contender) => counts(lab, contender, election)))
    const [first] = all
    is(await first?.recall(election), String(CONTENDERS * INCREMENTS), 'after all have counted')
  },
)

const restarts = memoLaw(
  'a memo survives the server',
  'A migration would run again after every restart of the database.',
  async (lab, a, b) => {
    const bid = lab.bid(lab.election())
    wrote(await a.remember(await elected(a, bid), 'kept'), true, 'of a live leader')
    await a.release(bid)
    await lab.restart()
    const came = await b.persistent('memo.read', async (signal) => b.store.memo?.read(bid.election, signal), 50)
    is(came, 'kept', 'after a restart')
  },
  ['restart'],
)

const aborts = memoLaw(
  'an aborted call of the memo rejects',
  'A run that cannot tell of its end would keep the program alive for ever.',
  async (lab, a) => {
    const bid = lab.bid(lab.election())
    const author = await elected(a, bid)
    const { memo } = a.store
    for (const call of [
      (signal: AbortSignal) => memo?.read(bid.election, signal),
      (signal: AbortSignal) => memo?.write(author, 'aborted', signal),
    ]) {
      const outcome = await a
        .bounded('memo', async () => call(AbortSignal.abort()))
        .then(
          () => 'an answer',
          (thrown: unknown) => thrown,
        )
      const rejected = outcome instanceof Error && !(outcome instanceof LawBroken)
      expected(rejected, 'a call of the memo with a signal that is aborted already to reject with an Error', String(outcome))
    }
  },
)

/** Acquire what has to be free; the tenure that it makes. */
async function elected(contender: Contender, bid: Bid) {
  const { fencingToken } = await contender.wins(bid, 'for a free election')
  return { election: bid.election, fencingToken }
}

/** Add to the number in the memo, so many times, each time under a lease. */
async function counts(lab: Lab, contender: Contender, election: string): Promise<void> {
  let left = INCREMENTS
  for (let look = 0; look < LOOKS && left > 0; look++) {
    const bid = lab.bid(election)
    const lease = await contender.persistent('acquire', (signal) => contender.store.acquire(bid, signal), 10)
    if (isOurs(lease, bid.holder)) {
      const count = Number((await contender.recall(election)) ?? 0)
      const { fencingToken } = lease
      wrote(await contender.remember({ election, fencingToken }, String(count + 1)), true, 'of a live leader')
      left -= 1
    }
    await contender.persistent('release', (signal) => contender.store.release(bid, signal), 10)
    await sleep(1)
  }
  expected(left === 0, 'each of the contenders to have its turn', `${left} turns missing after ${LOOKS} looks`)
}

function is(came: string | undefined, text: string | undefined, when: string): void {
  const shown = (value: string | undefined) => (value === undefined ? 'nothing' : JSON.stringify(value.slice(0, 60)))
  expected(came === text, `the memo ${when} to be ${shown(text)}`, shown(came))
}

function wrote(came: boolean, wanted: boolean, when: string): void {
  expected(came === wanted, `the write ${when} to be ${wanted ? 'done' : 'refused'}`, came === true ? 'done' : String(came))
}

export const memos: readonly Law[] = [
  roundTrip,
  outlives,
  onlyLive,
  expiredWritesNot,
  previousWritesNot,
  changesNothing,
  noneLost,
  restarts,
  aborts,
]
