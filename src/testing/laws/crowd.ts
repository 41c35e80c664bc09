/** Laws of the crowd: what holds for two holds for a hundred that come at once. */

import type { Bid, Lease } from '../../store.ts'
import type { Contender } from './contender.ts'
import type { Lab } from './lab.ts'
import { expected, isOurs, type Law, LawBroken, law } from './law.ts'
import { sleep } from './sleep.ts'

const BIDS = 100
const CLIENTS = 5
const CONTENDERS = 8
const INCREMENTS = 3
/** So many looks, each with a pause, are more than a crowd of eight can need. */
const LOOKS = 5000

const hundred = law(
  'a hundred bids on a new election elect one',
  'A deployment starts all its instances at once, on an empty store.',
  async (lab) => {
    const clients = await lab.contenders(CLIENTS)
    const election = lab.election()
    const bids = Array.from({ length: BIDS }, () => lab.bid(election))
    const answers = await Promise.all(bids.map((bid, i) => bidUntilAnswered(clients[i % CLIENTS] ?? fail('no client'), bid)))
    const winners = bids.filter((bid, i) => isOurs(answers[i], bid.holder))
    expected(winners.length === 1, `one of ${BIDS} bids to win`, `${winners.length}`)
    const seen = new Set(answers.filter((lease) => lease && lease.remainingMs > 0).map((lease) => lease?.fencingToken))
    expected(seen.size === 1, 'all that were refused to be told of one lease', `${seen.size}`)
  },
)

const counter = law(
  'eight contenders on one counter lose no update',
  'It is what an election is for: whoever holds the lease is alone.',
  async (lab) => {
    const election = lab.election()
    const shared = { count: 0, token: 0 }
    const clients = await lab.contenders(CONTENDERS)
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < INCREMENTS; i++) await incrementOnce(lab, client, election, shared)
      }),
    )
    const total = CONTENDERS * INCREMENTS
    expected(shared.count === total, `a counter that was incremented ${total} times under the lease to say so`, `${shared.count}`)
  },
)

interface Shared {
  count: number
  token: number
}

/** Read, wait, write: an update is lost wherever two do it at once. */
async function incrementOnce(lab: Lab, client: Contender, election: string, shared: Shared): Promise<void> {
  const { bid, lease } = await win(lab, client, election)
  expected(lease.fencingToken > shared.token, `a token larger than ${shared.token}, which was seen already,`, `${lease.fencingToken}`)
  shared.token = lease.fencingToken
  const { count } = shared
  await sleep(1)
  shared.count = count + 1
  const { holder } = bid
  await client.persistent('release', (signal) => client.store.release({ election, holder }, signal), 5)
}

async function win(lab: Lab, client: Contender, election: string): Promise<{ bid: Bid; lease: Lease }> {
  for (let look = 0; look < LOOKS; look++) {
    const bid = lab.bid(election)
    const lease = await bidUntilAnswered(client, bid)
    if (isOurs(lease, bid.holder)) return { bid, lease }
    await sleep(1 + (look % 5))
  }
  return fail(`a contender to win within ${LOOKS} bids`)
}

function bidUntilAnswered(contender: Contender, bid: Bid): Promise<Lease | undefined> {
  return contender.persistent('acquire', (signal) => contender.store.acquire(bid, signal), 5)
}

function fail(what: string): never {
  throw new LawBroken(`Expected ${what}, got none`)
}

export const crowd: readonly Law[] = [hundred, counter]
