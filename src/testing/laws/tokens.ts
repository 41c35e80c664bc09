/** Laws of the fencing token: it grows with every new holder, whatever happens in between, and with nothing else. */

import type { Bid } from '../../store.ts'
import type { Contender } from './contender.ts'
import type { Lab } from './lab.ts'
import { expected, isOurs, type Law, LawBroken, law } from './law.ts'

const growing = law(
  'every new holder gets a larger token',
  'A resource that has seen the token of a leader refuses its predecessors; with equal tokens it cannot.',
  async (lab) => {
    const all = await lab.two()
    const election = lab.election()
    let last = 0
    for (let round = 0; round < 6; round++) {
      const contender = all[round % 2] ?? all[0]
      // A process that starts again under the same name is a new holder all the same.
      const bid = lab.bid(election, { candidate: `candidate-${Math.floor(round / 2)}` })
      last = larger(last, await contender.wins(bid, 'for a released election'), 'after a release')
      await contender.release(bid)
    }
  },
)

const constant = law(
  'renewing never changes the token',
  'Work that began with a token goes on writing with it for as long as its tenure lasts.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.bid(election)
    const { fencingToken } = await a.wins(bid, 'for a free election')
    for (let round = 0; round < 3; round++) {
      const grantedMs = await a.renew(bid)
      expected(grantedMs > 0, 'a renewal of a live lease to be granted', `${grantedMs}`)
      const seen = await b.sees(election, bid.holder, 'a renewal')
      expected(seen.fencingToken === fencingToken, `a renewal to leave the token at ${fencingToken}`, `${seen.fencingToken}`)
    }
  },
)

const acrossExpiry = law('tokens grow across expiry', 'A leader that was frozen wakes up with the token of its successor.', async (lab) => {
  const [a, b] = await lab.two()
  const election = lab.election()
  let last = 0
  for (let round = 0; round < 2; round++) {
    const bid = lab.shortBid(election)
    last = larger(last, await a.wins(bid, 'for an expired lease'), 'after expiry')
    await b.looks(lab.shortBid(election))
    await lab.elapsePast()
    const rival = lab.shortBid(election)
    last = larger(last, await b.wins(rival, 'for an expired lease'), 'after expiry')
    await b.release(rival)
  }
})

const acrossClients = law('tokens grow across new clients', 'A counter that lives in a process starts again with it.', async (lab) => {
  const election = lab.election()
  let last = 0
  for (let round = 0; round < 3; round++) {
    const contender = await lab.contender()
    const bid = lab.bid(election)
    last = larger(last, await contender.wins(bid, 'for a released election'), 'of a new client')
    await contender.release(bid)
    await lab.closeOne(contender)
  }
})

const acrossDeletion = law(
  'tokens grow across deletion of the record',
  'Operators delete what they do not know: the guarded resource still remembers the largest token.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const first = lab.bid(election)
    let last = larger(0, await a.wins(first, 'for a free election'), 'at first')
    await a.release(first)
    for (let round = 0; round < 2; round++) {
      await lab.wipe(election)
      await lab.elapse(2)
      const bid = lab.shortBid(election)
      last = larger(last, await winsInTime(lab, b, bid), 'after the record was deleted')
      await b.release(bid)
    }
  },
  ['wipe'],
)

const deletedIsLost = law(
  'a lease whose record was deleted is lost',
  'The operator meant it: the leader has to step down, and somebody else to follow.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.shortBid(election)
    await a.wins(bid, 'for a free election')
    await lab.wipe(election)
    await lab.elapse(2)
    const grantedMs = await a.renew(bid)
    expected(grantedMs === 0, 'a renewal of a lease whose record was deleted to be refused', `${grantedMs} ms granted`)
    await winsInTime(lab, b, lab.shortBid(election))
    const again = await a.renew(bid)
    expected(again === 0, 'a renewal of a deleted lease to stay refused', `${again} ms granted`)
  },
  ['wipe'],
)

const acrossRestart = law(
  'tokens grow across a restart of the server',
  'The guarded resource still remembers the largest token.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const bid = lab.shortBid(election)
    const last = larger(0, await a.wins(bid, 'for a free election'), 'at first')
    await lab.restart()
    larger(last, await winsInTime(lab, b, lab.shortBid(election)), 'after a restart')
  },
  ['restart'],
)

/** Bid until the lease is ours: after a deletion or a restart somebody's may have to run out first. */
async function winsInTime(lab: Lab, contender: Contender, bid: Bid) {
  let lease = await attempt()
  await lab.until(async () => {
    if (isOurs(lease, bid.holder)) return true
    lease = await attempt()
    return isOurs(lease, bid.holder)
  })
  if (!isOurs(lease, bid.holder))
    throw new LawBroken(`Expected a bid to win within two ttl, got ${lease ? 'a refusal' : 'nobody as holder'}`)
  return lease

  function attempt() {
    return contender.persistent('acquire', (signal) => contender.store.acquire(bid, signal), 50)
  }
}

function larger(last: number, { fencingToken }: { readonly fencingToken: number }, when: string): number {
  expected(Number.isSafeInteger(fencingToken), 'the token to be a safe integer', `${fencingToken}`)
  expected(fencingToken > last, `the token ${when} to be larger than ${last}`, `${fencingToken}`)
  return fencingToken
}

export const tokens: readonly Law[] = [growing, constant, acrossExpiry, acrossClients, acrossDeletion, deletedIsLost, acrossRestart]
