/** What a coalescer promises, as data, so that the right one and the faulty ones are asked the same. */

import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict'
import type { CoalesceParts, Coalescer } from '../../../src/stores/shared/coalesce.ts'

export type Make = new (parts: CoalesceParts<Ask, string>) => Coalescer<Ask, string>

interface Ask {
  readonly election: string
  readonly holder: string
}

interface Rule {
  readonly name: string
  check(make: Make): Promise<void>
}

/** A batch that has left, and what a test can do to it. */
interface Batch {
  readonly elections: readonly string[]
  readonly asks: readonly Ask[]
  readonly signal: AbortSignal
  /** Answer each with its holder; those named here not at all. */
  answer(...silent: string[]): void
  fail(error: Error): void
}

/** A store that answers when it is told to. */
class Bench {
  readonly batches: Batch[] = []
  readonly singles: Ask[] = []
  readonly coalescer: Coalescer<Ask, string>
  readonly never = new AbortController().signal
  #turns: (() => void)[] = []

  constructor(make: Make, parts: Partial<CoalesceParts<Ask, string>> = {}) {
    this.coalescer = new make({
      nameOf: ({ election }) => election,
      many: (asks, signal) => this.#fly(asks, signal),
      alone: async (ask) => {
        this.singles.push(ask)
        return `alone ${ask.holder}`
      },
      turn: (leave) => void this.#turns.push(leave),
      ...parts,
    })
  }

  ask(election: string, holder = `of ${election}`, signal = this.never): Promise<string> {
    return this.coalescer.ask({ election, holder }, signal)
  }

  /** The turn of the loop is over: what was gathered leaves. Then all that can settle settles. */
  async turn(): Promise<void> {
    for (const leave of this.#turns.splice(0)) leave()
    await new Promise((resolve) => setImmediate(resolve))
  }

  get turning(): number {
    return this.#turns.length
  }

  batch(index: number): Batch {
    const batch = this.batches[index]
    ok(batch, `expected a batch ${index}, got ${this.batches.length} batches`)
    return batch
  }

  #fly(asks: readonly Ask[], signal: AbortSignal): Promise<readonly (string | undefined)[]> {
    return new Promise((resolve, reject) => {
      this.batches.push({
        elections: asks.map(({ election }) => election),
        asks,
        signal,
        answer: (...silent) => resolve(asks.map(({ election, holder }) => (silent.includes(election) ? undefined : holder))),
        fail: reject,
      })
    })
  }
}

/** Now, or in this turn of the loop, it has settled. */
async function settled<T>(promise: Promise<T>): Promise<T | 'pending'> {
  return Promise.race([promise, new Promise<'pending'>((resolve) => setImmediate(resolve, 'pending'))])
}

export const rules: readonly Rule[] = [
  {
    name: 'calls of one turn are one round trip, each answered for itself',
    async check(make) {
      const bench = new Bench(make)
      const asks = ['c', 'a', 'b'].map((election) => bench.ask(election))
      await bench.turn()
      equal(bench.batches.length, 1)
      bench.batch(0).answer()
      deepEqual(await Promise.all(asks), ['of c', 'of a', 'of b'])
      deepEqual(bench.singles, [])
      equal(bench.turning, 0)
    },
  },
  {
    name: 'a batch is ordered by name',
    async check(make) {
      const bench = new Bench(make)
      for (const election of ['b', 'ä', 'B', 'a/2', 'a']) void bench.ask(election)
      await bench.turn()
      deepEqual(bench.batch(0).elections, ['B', 'a', 'a/2', 'b', 'ä'])
    },
  },
  {
    name: 'a call never joins a batch that has left',
    async check(make) {
      const bench = new Bench(make)
      const early = bench.ask('a', 'early')
      await bench.turn()
      const late = bench.ask('a', 'late')
      const other = bench.ask('b', 'other')
      bench.batch(0).answer()
      equal(await settled(early), 'early')
      equal(await settled(late), 'pending')
      equal(await settled(other), 'pending')
      await bench.turn()
      deepEqual(bench.batch(1).asks, [
        { election: 'a', holder: 'late' },
        { election: 'b', holder: 'other' },
      ])
    },
  },
  {
    name: 'one election is in a batch once',
    async check(make) {
      const bench = new Bench(make)
      const first = bench.ask('a', 'first')
      const second = bench.ask('a', 'second')
      const third = bench.ask('b')
      await bench.turn()
      deepEqual(bench.batch(0).elections, ['a', 'b'])
      bench.batch(0).answer()
      equal(await settled(first), 'first')
      equal(await settled(third), 'of b')
      equal(await settled(second), 'pending')
      await bench.turn()
      deepEqual(bench.batch(1).asks, [{ election: 'a', holder: 'second' }])
      bench.batch(1).answer()
      equal(await settled(second), 'second')
    },
  },
  {
    name: 'silence about a request is no answer: it is asked alone',
    async check(make) {
      const bench = new Bench(make)
      const asks = ['a', 'b', 'c'].map((election) => bench.ask(election))
      await bench.turn()
      bench.batch(0).answer('b')
      deepEqual(await Promise.all(asks), ['of a', 'alone of b', 'of c'])
      deepEqual(bench.singles, [{ election: 'b', holder: 'of b' }])
    },
  },
  {
    name: 'a batch that fails is asked member by member',
    async check(make) {
      const bench = new Bench(make)
      const asks = ['a', 'b'].map((election) => bench.ask(election))
      await bench.turn()
      bench.batch(0).fail(new Error('a row is locked'))
      deepEqual(await Promise.all(asks), ['alone of a', 'alone of b'])
    },
  },
  {
    name: 'one member that fails alone fails alone',
    async check(make) {
      const alone = async ({ election }: Ask) => {
        if (election === 'b') throw new Error('of b')
        return election
      }
      const bench = new Bench(make, { alone })
      const asks = ['a', 'b', 'c'].map((election) => bench.ask(election).catch((error: Error) => `failed ${error.message}`))
      await bench.turn()
      bench.batch(0).fail(new Error('one of them'))
      deepEqual(await Promise.all(asks), ['a', 'failed of b', 'c'])
    },
  },
  {
    name: 'an error that is about none of them is told to each, once',
    async check(make) {
      const bench = new Bench(make, { splits: (error) => !(error instanceof TypeError) })
      const asks = ['a', 'b'].map((election) => bench.ask(election))
      const outcomes = Promise.allSettled(asks)
      await bench.turn()
      bench.batch(0).fail(new TypeError('the connection is lost'))
      for (const outcome of await outcomes) equal(outcome.status, 'rejected')
      deepEqual(bench.singles, [])
    },
  },
  {
    name: 'a batch of one that fails is not asked a second time',
    async check(make) {
      const bench = new Bench(make)
      const failed = rejects(bench.ask('a'), /twice/)
      await bench.turn()
      bench.batch(0).fail(new Error('not twice'))
      await failed
      deepEqual(bench.singles, [])
    },
  },
  {
    name: 'a call that is aborted before it leaves never leaves, and rejects at once',
    async check(make) {
      const bench = new Bench(make)
      const controller = new AbortController()
      const gone = bench.ask('a', 'gone', controller.signal)
      const rejected = rejects(gone, /enough/)
      const stays = bench.ask('b')
      controller.abort(new Error('enough'))
      await rejected
      await rejects(bench.ask('c', 'late', controller.signal), /enough/)
      await bench.turn()
      deepEqual(bench.batch(0).elections, ['b'])
      bench.batch(0).answer()
      equal(await stays, 'of b')
    },
  },
  {
    name: 'where all were aborted, nothing leaves',
    async check(make) {
      const bench = new Bench(make)
      const controller = new AbortController()
      const rejected = rejects(bench.ask('a', 'gone', controller.signal))
      controller.abort()
      await rejected
      await bench.turn()
      equal(bench.batches.length, 0)
    },
  },
  {
    name: 'a call that is aborted on its way rejects at once; the batch is given up when the last one has gone',
    async check(make) {
      const bench = new Bench(make)
      const controllers = [new AbortController(), new AbortController()]
      const [a, b] = controllers.map(({ signal }, index) => rejects(bench.ask(`${index}`, 'x', signal), /gone/))
      await bench.turn()
      const { signal } = bench.batch(0)
      controllers[0]?.abort(new Error('gone'))
      await a
      equal(signal.aborted, false)
      controllers[1]?.abort(new Error('gone'))
      await b
      equal(signal.aborted, true)
    },
  },
  {
    name: 'a batch that has landed is not given up',
    async check(make) {
      const bench = new Bench(make)
      const ask = bench.ask('a')
      await bench.turn()
      bench.batch(0).answer()
      equal(await ask, 'of a')
      equal(bench.batch(0).signal.aborted, false)
    },
  },
  {
    name: 'nobody is asked alone for whom nobody waits',
    async check(make) {
      const bench = new Bench(make)
      const controller = new AbortController()
      const gone = rejects(bench.ask('a', 'gone', controller.signal))
      const stays = bench.ask('b')
      await bench.turn()
      controller.abort()
      await gone
      bench.batch(0).answer('a', 'b')
      equal(await stays, 'alone of b')
      deepEqual(
        bench.singles.map(({ election }) => election),
        ['b'],
      )
    },
  },
  {
    name: 'a batch has its bound, and what is left over leaves next',
    async check(make) {
      const bench = new Bench(make, { most: 2 })
      const asks = ['e', 'd', 'c', 'b', 'a'].map((election) => bench.ask(election))
      for (let i = 0; i < 3; i++) await bench.turn()
      deepEqual(
        bench.batches.map(({ elections }) => elections),
        [['d', 'e'], ['b', 'c'], ['a']],
      )
      for (const batch of bench.batches) batch.answer()
      deepEqual(await Promise.all(asks), ['of e', 'of d', 'of c', 'of b', 'of a'])
    },
  },
  {
    name: 'while as many are in the air as may be, calls gather',
    async check(make) {
      const bench = new Bench(make, { atOnce: 1 })
      const asks = [bench.ask('a')]
      await bench.turn()
      asks.push(bench.ask('b'), bench.ask('c'))
      await bench.turn()
      equal(bench.batches.length, 1)
      asks.push(bench.ask('d'))
      bench.batch(0).answer()
      await bench.turn()
      await bench.turn()
      deepEqual(bench.batch(1).elections, ['b', 'c', 'd'])
      bench.batch(1).fail(new Error('lost'))
      deepEqual(await Promise.all(asks), ['of a', 'alone of b', 'alone of c', 'alone of d'])
      notEqual(bench.batches.length, 3)
    },
  },
  {
    name: 'nothing is left on a signal that lives long',
    async check(make) {
      const bench = new Bench(make)
      let listening = 0
      const { signal } = new AbortController()
      const add = signal.addEventListener.bind(signal)
      const remove = signal.removeEventListener.bind(signal)
      signal.addEventListener = (...args: Parameters<typeof add>) => {
        listening += 1
        add(...args)
      }
      signal.removeEventListener = (...args: Parameters<typeof remove>) => {
        listening -= 1
        remove(...args)
      }
      const asks = [bench.ask('a', 'x', signal), bench.ask('b', 'x', signal)]
      await bench.turn()
      bench.batch(0).answer('b')
      await Promise.all(asks)
      equal(listening, 0)
    },
  },
]
