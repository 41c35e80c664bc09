/** Laws of the abort signal: whoever has waited long enough is let go, and the store goes on. */

import type { LeaseStore } from '../../store.ts'
import type { Contender } from './contender.ts'
import type { Lab } from './lab.ts'
import { expected, isOurs, type Law, LawBroken, law } from './law.ts'

const rejects = law(
  'an aborted call rejects',
  'A candidate bounds every call: one that hangs would keep the program alive for ever.',
  async (lab) => {
    const contender = await lab.contender()
    for (const [verb, call] of calls(lab, contender.store)) {
      const outcome = await contender
        .bounded(verb, () => call(AbortSignal.abort()))
        .then(
          () => 'an answer',
          (thrown: unknown) => thrown,
        )
      const rejected = outcome instanceof Error && !(outcome instanceof LawBroken)
      expected(rejected, `${verb} with a signal that is aborted already to reject with an Error`, String(outcome))
    }
  },
)

const settles = law('a call that is aborted on its way settles', 'A candidate that has given up a call would wait for it.', async (lab) => {
  const contender = await lab.contender()
  for (const [verb, call] of calls(lab, contender.store)) await abortOnItsWay(contender, verb, call)
})

const usable = law(
  'a store is usable after aborted calls',
  'A hiccup that outlives the call that had it ends every election of the process.',
  async (lab) => {
    const a = await lab.contender()
    const kept = lab.bid(lab.election())
    await a.wins(kept, 'for a free election')
    for (let round = 0; round < 3; round++) {
      for (const [verb, call] of calls(lab, a.store, kept.election)) {
        await abortOnItsWay(a, verb, call)
      }
      const grantedMs = await a.renew(kept)
      expected(grantedMs > 0, 'a hold to be renewed after other calls were aborted', `${grantedMs}`)
      await a.sees(kept.election, kept.holder, 'an aborted call of others')
      const bid = lab.bid(lab.election())
      await a.wins(bid, 'for a free election after calls were aborted')
      await a.release(bid)
    }
  },
)

const onceFree = law(
  'an aborted bid holds for one ttl at most',
  'It may have landed: nobody may be locked out by it for longer than by a crash.',
  async (lab) => {
    const [a, b] = await lab.two()
    const bid = lab.shortBid(lab.election())
    await abortOnItsWay(a, 'acquire', (signal) => a.store.acquire(bid, signal))
    await b.looks(lab.shortBid(bid.election))
    await lab.elapsePast()
    const rival = lab.shortBid(bid.election)
    const lease = await b.acquire(rival)
    expected(isOurs(lease, rival.holder), 'an aborted bid to be over after a ttl', `${lease?.remainingMs ?? 0} ms left of it`)
  },
)

/** Call, abort, and wait until the call has settled, whatever came of it. */
async function abortOnItsWay(contender: Contender, verb: string, call: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const controller = new AbortController()
  const settled = contender
    .bounded(`${verb}, aborted on its way,`, () => call(controller.signal))
    .catch((thrown: unknown) => {
      if (thrown instanceof LawBroken) throw thrown
    })
  controller.abort()
  await settled
}

/** Each verb of the store, of holders that nobody has been. */
function calls(lab: Lab, store: LeaseStore, election = lab.election()) {
  const bid = lab.bid(election)
  const all: [string, (signal: AbortSignal) => Promise<unknown>][] = [
    ['acquire', (signal) => store.acquire(bid, signal)],
    ['renew', (signal) => store.renew(bid, signal)],
    ['release', (signal) => store.release({ election, holder: bid.holder }, signal)],
    ['read', (signal) => store.read(election, signal)],
  ]
  if (store.list) all.push(['list', async (signal) => store.list?.(signal)])
  return all
}

export const aborting: readonly Law[] = [rejects, settles, usable, onceFree]
