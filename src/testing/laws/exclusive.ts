/** Laws of exclusion: one lease, one holder, for as long as was granted, and no answer that is older than its question. */

import { expectedBefore } from './lab.ts'
import { describeLease, expected, isOurs, type Law, law } from './law.ts'

const neverGivenAway = law('a live lease is never given to another holder', 'Two candidates would lead at once.', async (lab) => {
  const [a, b] = await lab.two()
  const election = lab.election()
  const bid = lab.shortBid(election)
  await b.seesFree(election, 'before anybody has bid')
  const since = lab.now()
  const { remainingMs } = await a.wins(bid, 'for a free election')
  const rivals = [
    { who: b, bid: lab.shortBid(election), when: 'of another holder' },
    { who: a, bid: lab.shortBid(election), when: 'of another holder through the same store object' },
    { who: b, bid: lab.bid(election), when: 'with a longer ttl' },
    { who: b, bid: lab.bid(election, { candidate: bid.candidate, ttlMs: lab.ttlMs }), when: 'of the same candidate with another holder' },
  ]
  for (const early of [true, false]) {
    for (const rival of rivals) {
      const lease = await rival.who.acquire(rival.bid)
      const moment = early ? 'just granted' : 'about to expire'
      expectedBefore(
        lab,
        since,
        remainingMs,
        !isOurs(lease, rival.bid.holder),
        `a bid ${rival.when} to lose a lease ${moment}`,
        'the lease',
      )
    }
    if (early) await lab.elapseNearly(remainingMs)
  }
})

const askingAgain = law(
  'the same holder asking again gets the same lease, not a longer one',
  'A bid whose answer was lost is repeated: it has to find its lease, and its deadline counts from what is left.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.shortBid(election)
    const since = lab.now()
    const first = await a.wins(bid, 'for a free election')
    await b.looks(lab.shortBid(election))
    await lab.elapse(Math.floor(lab.ttlMs / 2))
    const again = await a.acquire(bid)
    expectedBefore(lab, since, lab.ttlMs, isOurs(again, bid.holder), 'the same holder to find its lease', describeLease(again))
    const same = again.fencingToken === first.fencingToken
    expectedBefore(lab, since, lab.ttlMs, same, `the same holder to find its token ${first.fencingToken}`, `${again.fencingToken}`)
    // From here on the lease has no more than what was left of it.
    await lab.elapsePast(Math.ceil(lab.ttlMs / 2))
    const rival = lab.shortBid(election)
    const lease = await b.acquire(rival)
    expected(isOurs(lease, rival.holder), 'a lease to end a ttl after it was granted, however often its holder asks', describeLease(lease))
  },
)

const repeatedGrant = law(
  'what a repeated bid is told is left, is left',
  'A candidate that adopts its lease would believe in it for longer than it lives.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.shortBid(election)
    const first = lab.now()
    await a.wins(bid, 'for a free election')
    await lab.elapse(Math.floor(lab.ttlMs / 2))
    const since = lab.now()
    const again = await a.acquire(bid)
    expectedBefore(lab, first, lab.ttlMs, isOurs(again, bid.holder), 'the same holder to find its lease', describeLease(again))
    await lab.elapseNearly(again.remainingMs)
    const rival = await b.acquire(lab.shortBid(election))
    const what = `the lease to live for the ${again.remainingMs} ms that its holder was told are left`
    expectedBefore(lab, since, again.remainingMs, rival?.holder === bid.holder, what, describeLease(rival))
  },
  ['clock'],
)

const renewalCounts = law(
  'a renewed lease lives for what was granted, and not for longer',
  'Believing longer than the lease lives means two leaders; a lease that outlives its grant means none.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.shortBid(election)
    const first = lab.now()
    await a.wins(bid, 'for a free election')
    await lab.elapse(Math.floor(lab.ttlMs / 2))
    const since = lab.now()
    const grantedMs = await a.renew(bid)
    const answeredAt = lab.now()
    expectedBefore(lab, first, lab.ttlMs, grantedMs > 0, 'a renewal of a live lease to be granted', `${grantedMs}`)
    expected(grantedMs <= lab.ttlMs, `a renewal to grant at most the ttl of ${lab.ttlMs} ms`, `${grantedMs}`)
    await lab.elapseNearly(grantedMs)
    const rival = lab.shortBid(election)
    const early = await b.acquire(rival)
    expectedBefore(
      lab,
      since,
      grantedMs,
      !isOurs(early, rival.holder),
      `a renewed lease to live for the ${grantedMs} ms granted`,
      'a rival',
    )
    // An observer has to see it unchanged for all of its ttl.
    await lab.elapsePast(lab.observed ? lab.ttlMs : Math.max(0, Math.ceil(lab.ttlMs - (lab.now() - answeredAt))))
    const late = await b.acquire(rival)
    expected(isOurs(late, rival.holder), 'a renewed lease to end a ttl after its last renewal', describeLease(late))
  },
)

const neverOlder = law(
  'no answer is older than its question',
  'A call may join a request only before that has left: an answer from before the call may tell of a lease that is gone.',
  async (lab) => {
    const [a, b] = await lab.two()
    for (let round = 0; round < 10; round++) {
      const election = lab.election()
      const bid = lab.bid(election)
      await a.wins(bid, 'for a free election')
      await a.renew(bid)
      // In the air while the lease is given back elsewhere: they may answer what they like.
      const early = Promise.allSettled([a.renew(bid), a.read(election)])
      await b.release(bid)
      const [grantedMs, seen] = await Promise.all([a.renew(bid), a.read(election)])
      await early
      expected(grantedMs === 0, 'a renewal sent after the release of its lease to be refused', `${grantedMs} ms granted`)
      expected(!isOurs(seen, bid.holder), 'a read sent after the release of a lease to find nobody', describeLease(seen))
      const next = lab.bid(election)
      await b.wins(next, 'for a released election')
      await a.sees(election, next.holder, 'a read sent after a bid was won')
    }
  },
)

const refusedBid = law(
  'a refused bid changes nothing',
  'Followers bid all the time: they must neither prolong the lease of the leader nor take its name.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.bid(election, { ttlMs: lab.ttlMs, advert: 'mine' })
    const since = lab.now()
    const mine = await a.wins(bid, 'for a free election')
    const rival = lab.bid(election, { ttlMs: lab.ttlMs, advert: 'theirs' })
    for (let quarter = 0; quarter < 4; quarter++) {
      await b.acquire(rival)
      const lease = await a.read(election)
      expectedBefore(lab, since, lab.ttlMs, lease?.holder === bid.holder, 'a refused bid to leave the lease alone', describeLease(lease))
      const told = `${lease.candidate}, ${lease.advert}, ${lease.fencingToken}`
      const same = lease.candidate === bid.candidate && lease.advert === 'mine' && lease.fencingToken === mine.fencingToken
      expected(same, `a refused bid to leave \`${bid.candidate}, mine, ${mine.fencingToken}\` as it was`, `\`${told}\``)
      await lab.elapse(Math.floor(lab.ttlMs / 5))
    }
    await lab.elapsePast(lab.ttlMs - 4 * Math.floor(lab.ttlMs / 5))
    const next = lab.shortBid(election)
    const lease = await b.acquire(next)
    expected(isOurs(lease, next.holder), 'a lease to end a ttl after it was granted, however often others ask', describeLease(lease))
  },
)

const doubled = law(
  'a doubled request is one request',
  'Drivers and networks repeat what was not answered, and nobody is told.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.bid(election)
    const [one, two] = await Promise.all([a.acquire(bid), a.acquire(bid)])
    const same = isOurs(one, bid.holder) && isOurs(two, bid.holder) && one.fencingToken === two.fencingToken
    expected(same, 'both copies of a bid to find one lease', `${describeLease(one)}, and ${describeLease(two)}`)
    const grants = await Promise.all([a.renew(bid), a.renew(bid)])
    expected(Math.min(...grants) > 0, 'both copies of a renewal to be granted', grants.join(' and '))
    await b.sees(election, bid.holder, 'a doubled renewal')
    await Promise.all([a.release(bid), a.release(bid)])
    await b.seesFree(election, 'after a doubled release')
  },
)

export const exclusive: readonly Law[] = [neverGivenAway, askingAgain, repeatedGrant, renewalCounts, neverOlder, refusedBid, doubled]
