/** Laws of what people read: who holds an election, what it advertises, and which elections there are. */

import { describeLease, expected, isOurs, type Law, law } from './law.ts'

const adverts: readonly (string | undefined)[] = [
  undefined,
  'https://10.0.0.7:8443/api?x=1&y=%20#z',
  '{"json": "it\'s \\"quoted\\""}',
  'δρ. 世界 🗳️\nsecond line\t"tab"',
  'x'.repeat(1024),
]

const roundTrip = law('candidate and advert survive the round trip', 'Others find the leader by them.', async (lab) => {
  const [a, b] = await lab.two()
  const election = lab.election()
  for (const advert of adverts) {
    const candidate = `host 1/δ:'"${advert?.length ?? ''}`
    const bid = lab.bid(election, { candidate, advert })
    const own = await a.wins(bid, 'for a free election')
    await a.renew(bid)
    const refused = await b.acquire(lab.bid(election))
    const read = await b.read(election)
    for (const [verb, lease] of [
      ['acquire', own],
      ['acquire of another', refused],
      ['read', read],
    ] as const) {
      expected(isOurs(lease, bid.holder), `${verb} to tell of the lease that is held`, describeLease(lease))
      expected(lease.candidate === candidate, `${verb} to tell the candidate ${JSON.stringify(candidate)}`, JSON.stringify(lease.candidate))
      expected(lease.advert === advert, `${verb} to tell the advert ${JSON.stringify(advert)}`, JSON.stringify(lease.advert))
    }
    await a.release(bid)
  }
})

const listed = law(
  'list names the elections that are held',
  'Operators look for an election that they do not know by name.',
  async (lab) => {
    const [a, b] = await lab.two()
    const bids = ['', '-b/c d', '-ü'].map((suffix) => lab.bid(`${lab.election()}${suffix}`))
    for (const bid of bids) await a.wins(bid, 'for a free election')
    const list = b.store.list?.bind(b.store)
    const all = list ? await b.answered('list', list) : []
    for (const { election } of bids) {
      expected(all.includes(election), `list to name ${JSON.stringify(election)}`, `${all.length} other names`)
      expected(all.indexOf(election) === all.lastIndexOf(election), `list to name ${JSON.stringify(election)} once`, 'it twice')
    }
  },
  ['list'],
)

export const words: readonly Law[] = [roundTrip, listed]
