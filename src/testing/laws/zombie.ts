/** Laws of the zombie: a holder whose lease is somebody else's, or nobody's, and whose requests still arrive. */

import type { Lab } from './lab.ts'
import { expected, isOurs, type Law, law } from './law.ts'

const neverRenews = law(
  'a previous holder cannot renew the lease of its successor',
  'A candidate that was frozen would take itself for the leader, or keep the lease of a dead one alive.',
  async (lab) => {
    const { a, b, old, now } = await succession(lab)
    const grantedMs = await a.renew(old)
    expected(grantedMs === 0, 'the renewal of a previous holder to be refused', `${grantedMs} ms granted`)
    await b.sees(old.election, now.holder, 'the renewal of a previous holder')
  },
)

const neverReleases = law(
  'a previous holder cannot release the lease of its successor',
  'A release that was held up in the network would dethrone whoever leads by then.',
  async (lab) => {
    const { a, b, old, now } = await succession(lab)
    await a.release(old)
    await b.sees(old.election, now.holder, 'the release of a previous holder')
    await a.loses(lab.bid(old.election), 'after the release of a previous holder')
  },
)

const neverReturns = law(
  'a previous holder cannot have the lease of its successor',
  'A bid that a driver repeats after the lease changed hands would depose the leader.',
  async (lab) => {
    const { a, b, old, now } = await succession(lab)
    await a.loses(old, 'of a previous holder')
    await b.sees(old.election, now.holder, 'the bid of a previous holder')
  },
)

const releasedIsOver = law(
  'a released holder can neither renew nor come back',
  'A renewal that was overtaken by its release would lock everybody out for a ttl.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.bid(election)
    await a.wins(bid, 'for a free election')
    await a.release(bid)
    await b.seesFree(election, 'after a release')
    const grantedMs = await a.renew(bid)
    expected(grantedMs === 0, 'a renewal after the release to be refused', `${grantedMs} ms granted`)
    const lease = await a.acquire(bid)
    expected(!isOurs(lease, bid.holder), 'the bid of a released holder to be refused', 'the lease')
    await b.wins(lab.bid(election), 'after the requests of a released holder')
  },
)

const quietRelease = law(
  'releasing twice is quiet',
  'A release whose answer was lost is repeated, and one that follows a bid of unknown fate may name a holder nobody knows.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    await a.release(lab.bid(election))
    const bid = lab.bid(election)
    await a.wins(bid, 'for a free election')
    await a.release(bid)
    await a.release(bid)
    const next = lab.bid(election)
    await b.wins(next, 'for a released election')
    await a.release(lab.bid(election))
    await b.sees(election, next.holder, 'the release of a holder that never was')
  },
)

/** One holder whose lease expired, and another that followed. */
async function succession(lab: Lab) {
  const [a, b] = await lab.two()
  const old = lab.shortBid(lab.election())
  await a.wins(old, 'for a free election')
  await b.looks(lab.shortBid(old.election))
  await lab.elapsePast()
  const now = lab.bid(old.election)
  await b.wins(now, 'for an expired lease')
  return { a, b, old, now }
}

export const zombie: readonly Law[] = [neverRenews, neverReleases, neverReturns, releasedIsOver, quietRelease]
