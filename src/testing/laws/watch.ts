/** Laws of the watch: it says that it is in place, it ends when it is told to, and nothing depends on it. */

import type { Contender } from './contender.ts'
import type { Lab } from './lab.ts'
import { expected, type Law, law } from './law.ts'
import { turn } from './sleep.ts'

const inPlace = law(
  'a watch says once that it is in place',
  'Until then a follower looks by itself; afterwards it sleeps until the lease can be free.',
  async (lab) => {
    const a = await lab.contender()
    const watch = begin(lab, a, lab.election())
    const told = await lab.until(() => watch.calls > 0 || watch.ended !== undefined)
    expected(told && watch.ended === undefined, 'a watch to call `changed` when it is in place', watch.ended ?? 'nothing')
    await watch.end()
  },
  ['watch'],
)

const ends = law(
  'a watch resolves when its signal is aborted, and is silent afterwards',
  'Whoever has stopped would still be called, or wait for ever.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const watch = begin(lab, a, election)
    await lab.until(() => watch.calls > 0)
    watch.abort()
    const resolved = await lab.until(() => watch.ended !== undefined)
    expected(resolved && watch.ended === 'resolved', 'an aborted watch to resolve', watch.ended ?? 'nothing')
    const before = watch.calls
    const bid = lab.bid(election)
    await b.wins(bid, 'for a free election')
    await b.release(bid)
    await lab.elapse(10)
    await turn()
    expected(watch.calls === before, 'no call of `changed` after its watch has resolved', `${watch.calls - before}`)
    const aborted = begin(lab, a, election, AbortSignal.abort())
    await lab.until(() => aborted.ended !== undefined)
    expected(aborted.ended === 'resolved', 'a watch whose signal is aborted already to resolve', aborted.ended ?? 'nothing')
  },
  ['watch'],
)

const needless = law(
  'a watch changes nothing',
  'It may be silent, late or doubled: what calls answer must not depend on it.',
  async (lab) => {
    const [a, b] = await lab.two()
    const election = lab.election()
    const watches = [begin(lab, a, election), begin(lab, b, election), begin(lab, b, election), begin(lab, b, lab.election())]
    await lab.until(() => watches.every((watch) => watch.calls > 0))
    for (const round of [1, 2]) {
      const bid = lab.bid(election)
      await a.wins(bid, 'for a watched election')
      await b.loses(lab.bid(election), 'for a watched election that is held')
      expected((await a.renew(bid)) > 0, 'a renewal of a watched election to be granted', 'a refusal')
      await b.sees(election, bid.holder, 'a watch')
      await a.release(bid)
      await b.seesFree(election, 'after the release of a watched election')
      if (round === 1) for (const watch of watches) await watch.end()
    }
  },
  ['watch'],
)

/** A watch, what it has said so far, and how it ended. */
function begin(lab: Lab, { store }: Contender, election: string, given?: AbortSignal) {
  const controller = new AbortController()
  const watch = {
    calls: 0,
    ended: undefined as string | undefined,
    abort: () => controller.abort(),
    async end() {
      controller.abort()
      await lab.until(() => watch.ended !== undefined)
    },
  }
  const changed = () => {
    watch.calls += 1
  }
  Promise.resolve(store.watch?.(election, changed, given ?? controller.signal)).then(
    () => {
      watch.ended = 'resolved'
    },
    (thrown: unknown) => {
      watch.ended = `the error: ${String(thrown)}`
    },
  )
  return watch
}

export const watching: readonly Law[] = [inPlace, ends, needless]
