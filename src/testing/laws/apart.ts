/** Laws of names: what belongs to different elections never meets, and a name is taken as it is or refused. */

import { TenureError } from '../../errors.ts'
import type { Bid } from '../../store.ts'
import type { Contender } from './contender.ts'
import { describeLease, expected, isOurs, type Law, LawBroken, law } from './law.ts'

const awkward: readonly string[] = [
  'a/b/c',
  '/a/',
  '../a',
  'a:b',
  'a b',
  ' a ',
  'Приве́т, 世界 🗳️',
  "'; DROP TABLE tenure_lease; --",
  '%_*?[a]\\',
  '{a}$(b)`c`',
  'line\nbreak\ttab',
  '.',
  '..',
  '__proto__',
  'CON',
]

/** Names that some system or other takes for one. */
const alike: readonly (readonly [string, string])[] = [
  ['a', 'A'],
  ['a', 'a '],
  ['a', 'a/b'],
  ['a', 'a%'],
  ['a/b', 'a:b'],
  ['a/b', 'a%2Fb'],
  // One letter, composed and decomposed.
  ['\u00e9', 'e\u0301'],
  ['ss', 'ß'],
  ['x'.repeat(150), `${'x'.repeat(149)}y`],
]

const apart = law('elections do not touch each other', 'One application would depose the leader of another.', async (lab) => {
  const [a, b] = await lab.two()
  const one = lab.bid(lab.election())
  const two = lab.bid(lab.election())
  await a.wins(one, 'for one election')
  await b.wins(two, 'for another election')
  await a.sees(one.election, one.holder, 'a bid for another election')
  const crossed = { ...one, election: two.election }
  const grantedMs = await a.renew(crossed)
  expected(grantedMs === 0, 'a renewal that names another election to be refused', `${grantedMs} ms granted`)
  await a.release(crossed)
  await b.sees(two.election, two.holder, 'a release that names another holder')
  const three = lab.bid(lab.election())
  await a.wins(three, 'for a third election')
  await a.release(three)
  await b.seesFree(three.election, 'after its release')
  await b.release(two)
  await b.seesFree(two.election, 'after its release')
  await a.sees(one.election, one.holder, 'the release of other elections')
})

const names = law(
  'awkward names work, or are refused clearly',
  'Names come from users: a name that is cut or changed in silence is somebody else’s election.',
  async (lab) => {
    const [a, b] = await lab.two()
    const prefix = `${lab.election()}-`
    const long = prefix.padEnd(200, 'x')
    for (const election of [...awkward.map((name) => prefix + name), ...awkward.map((name) => name + prefix), long]) {
      const bid = lab.bid(election)
      if (!(await accepted(a, bid))) continue
      await b.loses(lab.bid(election), `for ${JSON.stringify(election)}, which is held,`)
      expected((await a.renew(bid)) > 0, `a renewal of ${JSON.stringify(election)} to be granted`, 'a refusal')
      await b.sees(election, bid.holder, `a renewal of ${JSON.stringify(election)}`)
      await a.release(bid)
      await b.seesFree(election, `in ${JSON.stringify(election)} after its release`)
    }
  },
)

const different = law(
  'names that look alike are different elections',
  'Case, trailing spaces, accents and slashes are folded by some systems: two elections would share a leader.',
  async (lab) => {
    const [a, b] = await lab.two()
    for (const [left, right] of alike) {
      const prefix = `${lab.election()}-`
      const one = lab.bid(prefix + left)
      const two = lab.bid(prefix + right)
      if (!(await accepted(a, one)) || !(await accepted(b, two, ` while ${JSON.stringify(left)} is held`))) continue
      await a.sees(one.election, one.holder, `a bid for ${JSON.stringify(right)}`)
      await a.release(one)
      await b.sees(two.election, two.holder, `the release of ${JSON.stringify(left)}`)
      await b.release(two)
    }
  },
)

/** Whether the store takes this name. One that it refuses has to be refused clearly, and for good. */
async function accepted(contender: Contender, bid: Bid, when = ''): Promise<boolean> {
  const name = JSON.stringify(bid.election)
  try {
    const lease = await contender.bounded('acquire', (signal) => contender.store.acquire(bid, signal))
    expected(isOurs(lease, bid.holder), `a bid for ${name}${when} to win`, describeLease(lease))
    return true
  } catch (thrown) {
    if (thrown instanceof TenureError && thrown.code !== 'store-unreachable') return false
    if (thrown instanceof LawBroken) throw thrown
    throw new LawBroken(
      `Expected ${name} to work or to be refused as \`bad-option\` or \`store-unfit\`, got the error: ${String(thrown)}`,
      {
        cause: thrown,
      },
    )
  }
}

export const separation: readonly Law[] = [apart, names, different]
