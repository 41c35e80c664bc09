/** Laws of time: when a lease is over, for whom, and what is said about what is left of it. */

import { expectedBefore } from './lab.ts'
import { describeLease, expected, isFree, isOurs, type Law, law } from './law.ts'

const freeToAll = law('an expired lease is free to all', 'After a crash nobody would lead.', async (lab) => {
  const [a, b] = await lab.two()
  const elections = [lab.election(), lab.election()] as const
  for (const election of elections) {
    await a.wins(lab.shortBid(election), 'for a free election')
    await b.looks(lab.shortBid(election))
  }
  await lab.elapsePast()
  for (const election of elections) await b.seesFree(election, 'after a lease has expired')
  await b.wins(lab.bid(elections[0]), 'for an expired lease')
  const fresh = await lab.contender()
  if (lab.observed) {
    // Nobody can know how old a record is that he has just met.
    await fresh.looks(lab.shortBid(elections[1]))
    await lab.elapsePast()
  }
  await fresh.wins(lab.bid(elections[1]), 'of somebody who comes after a lease has expired')
})

const neverBack = law(
  'an expired holder never comes back',
  'A candidate that was refused has ended its tenure: a lease that revives would be nobody’s.',
  async (lab) => {
    const a = await lab.contender()
    const election = lab.election()
    const bid = lab.shortBid(election)
    await a.wins(bid, 'for a free election')
    await lab.elapsePast()
    const grantedMs = await a.renew(bid)
    expected(grantedMs === 0, 'a renewal of an expired lease to be refused', `${grantedMs} ms granted`)
    const lease = await a.acquire(bid)
    expected(!isOurs(lease, bid.holder), 'the bid of an expired holder to be refused', 'the lease')
  },
  ['clock'],
)

const alone = law(
  'a hold that is not renewed lapses although its neighbours are renewed',
  'Where many elections share a session, one that its candidate gave up would be kept alive by the others for ever.',
  async (lab) => {
    const [a, b] = await lab.two()
    const kept = lab.shortBid(lab.election())
    const lost = lab.shortBid(lab.election())
    let since = lab.now()
    await a.wins(kept, 'for a free election')
    await a.wins(lost, 'for a free election')
    await b.looks(lab.shortBid(lost.election))
    for (let quarter = 0; quarter < 4; quarter++) {
      await lab.elapse(Math.floor(lab.ttlMs / 4))
      const sentAt = lab.now()
      const grantedMs = await a.renew(kept)
      expectedBefore(lab, since, lab.ttlMs, grantedMs > 0, 'a hold that is renewed to be kept', 'a refusal')
      since = sentAt
    }
    await lab.elapsePast(lab.ttlMs - 4 * Math.floor(lab.ttlMs / 4))
    const rival = lab.shortBid(lost.election)
    const lease = await b.acquire(rival)
    expected(isOurs(lease, rival.holder), 'a hold that is not renewed to lapse within its ttl', describeLease(lease))
  },
)

const lateBid = law(
  'a bid that lands after its own release holds for one ttl at most',
  'A release may overtake its bid: nobody may be locked out for longer than a ttl by a holder nobody stands for.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.shortBid(election)
    await a.release(bid)
    await a.acquire(bid)
    await b.looks(lab.shortBid(election))
    await lab.elapsePast()
    const rival = lab.shortBid(election)
    const lease = await b.acquire(rival)
    expected(isOurs(lease, rival.holder), 'a bid that landed after its release to be over after a ttl', describeLease(lease))
  },
)

const remaining = law(
  'remainingMs is at most the ttl and shrinks',
  'Candidates count their deadline from it, and followers sleep for as long as it says.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.shortBid(election)
    const own = await a.wins(bid, 'for a free election')
    expected(own.remainingMs <= lab.ttlMs, `remainingMs of a new lease to be at most its ttl of ${lab.ttlMs}`, `${own.remainingMs}`)
    const first = await b.read(election)
    const firstMs = first?.remainingMs ?? 0
    expected(firstMs <= lab.ttlMs, `remainingMs of somebody’s lease to be at most its ttl of ${lab.ttlMs}`, `${firstMs}`)
    await lab.elapse(Math.ceil(lab.ttlMs * 0.6))
    const later = await b.read(election)
    if (isFree(later)) return
    const laterMs = later?.remainingMs ?? 0
    expected(laterMs < firstMs, `remainingMs to be less than the ${firstMs} of ${Math.ceil(lab.ttlMs * 0.6)} ms ago`, `${laterMs}`)
  },
)

const held = law('heldMs counts from the start of a hold', 'People read from it for how long somebody has led.', async (lab) => {
  const [a, b] = await lab.two()
  const election = lab.election()
  const bid = lab.bid(election)
  const since = lab.now()
  const mine = await a.wins(bid, 'for a free election')
  await lab.elapse(lab.ttlMs)
  await a.renew(bid)
  const seen = await b.sees(election, bid.holder, 'a renewal')
  if (mine.heldMs === undefined && seen.heldMs === undefined) return
  // Whole seconds are good enough for people.
  const mostMs = lab.now() - since + 1000
  for (const [who, heldMs, leastMs] of [
    ['the winner', mine.heldMs, 0],
    ['others', seen.heldMs, lab.ttlMs / 2],
  ] as const) {
    const sane = heldMs === undefined || (heldMs >= leastMs && heldMs <= mostMs)
    expected(sane, `heldMs that ${who} are told to be from ${leastMs} to ${mostMs}`, `${heldMs}`)
  }
  await a.release(bid)
  const next = await b.wins(lab.bid(election), 'for a released election')
  const anew = next.heldMs === undefined || next.heldMs < lab.ttlMs / 2
  expected(anew, `heldMs of the next holder to begin anew, below ${lab.ttlMs / 2}`, `${next.heldMs}`)
})

export const expiry: readonly Law[] = [freeToAll, neverBack, alone, lateBid, remaining, held]
