/**
 * Many questions of one turn in one transaction of etcd. Looks stand side by side. Writes are done all together or not at
 * all; where they are not, whoever is in somebody's way has learnt so, and the others try again. It may assume that a batch
 * has one question of each election, which the coalescer promises: two bids for one election would both be won. It must
 * never nest transactions, whose steps etcd 3.4.23 and 3.6.4 check for neither rights nor space, send for those who have
 * given up, or let one question refuse its neighbours.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { Coalescer } from '../shared/coalesce.ts'
import type { Compare, Header, KeyValue, RangeAnswer, TxnAnswer } from './wire.ts'

/** etcd takes at most 128 comparisons, and as many operations, in a transaction, by default. */
const MOST = 100

/** A look at one election: a range, in the words of a request. */
export interface Look {
  readonly election: string
  readonly range: object
}

/** A write for one election: what has to hold, what is done then, and what is looked at otherwise. */
export interface Write {
  readonly election: string
  readonly compare: readonly Compare[]
  readonly success: object
  readonly otherwise: object
  /** Whether it was this write that could not be done, by what was found otherwise. */
  isRefusedBy(found: KeyValue | undefined): boolean
  readonly patienceMs?: number | undefined
}

/** One request. Its body is made anew for each member that is asked. */
export type Ask = <T extends { readonly header?: Header }>(
  path: string,
  body: object | (() => object),
  signal: AbortSignal,
  patienceMs?: number,
) => Promise<T>

export function looksOf(ask: Ask, clock: Pick<Clock, 'afterPending'>): Coalescer<Look, RangeAnswer> {
  return new Coalescer<Look, RangeAnswer>({
    ...common(clock),
    async many(looks, signal) {
      if (looks.length === 1) return [undefined]
      const success = looks.map(({ range }) => ({ request_range: range }))
      const { responses = [] } = await ask<TxnAnswer>('/v3/kv/txn', { success }, signal)
      return responses.map(({ response_range }) => response_range)
    },
    alone: ({ range }, signal) => ask<RangeAnswer>('/v3/kv/range', range, signal),
  })
}

export function writesOf(ask: Ask, clock: Pick<Clock, 'afterPending'>): Coalescer<Write, TxnAnswer> {
  return new Coalescer<Write, TxnAnswer>({
    ...common(clock),
    async many(writes, signal, isWanted) {
      const answers = new Map<Write, TxnAnswer>()
      const open = () => writes.filter((write, index) => !answers.has(write) && isWanted(index))
      // For as long as each trip answers somebody; the last one goes alone.
      for (let before = writes.length + 1, left = open(); left.length > 1 && left.length < before; left = open()) {
        before = left.length
        let sent: readonly Write[] = []
        const body = () => {
          sent = open()
          return jointly(sent)
        }
        const answer = await ask<TxnAnswer>('/v3/kv/txn', body, signal, leastOf(left))
        for (const [write, told] of toldBy(answer, sent)) answers.set(write, told)
      }
      return writes.map((write) => answers.get(write))
    },
    alone: (write, signal) => ask<TxnAnswer>('/v3/kv/txn', jointly([write]), signal, write.patienceMs),
  })
}

function common(clock: Pick<Clock, 'afterPending'>) {
  return {
    nameOf: ({ election }: { readonly election: string }) => election,
    turn: (leave: () => void) => clock.afterPending(leave),
    most: MOST,
    // Whoever does not answer does not answer singly; what one is refused for may be nothing to the next.
    splits: (error: unknown) => !(error instanceof TenureError && error.code === 'store-unreachable'),
  }
}

function jointly(writes: readonly Write[]): object {
  return {
    compare: writes.flatMap(({ compare }) => compare),
    success: writes.map(({ success }) => success),
    failure: writes.map(({ otherwise }) => ({ request_range: otherwise })),
  }
}

/** Whom the answer tells what became of their write: all, or those because of whom nothing was done. */
function toldBy({ header, succeeded = false, responses = [] }: TxnAnswer, writes: readonly Write[]): [Write, TxnAnswer][] {
  const told = writes.map((write, index): [Write, TxnAnswer] => {
    const own = responses.slice(index, index + 1)
    return [write, { ...(header && { header }), succeeded, responses: own }]
  })
  return succeeded ? told : told.filter(([write, { responses }]) => write.isRefusedBy(responses?.[0]?.response_range?.kvs?.[0]))
}

function leastOf(writes: readonly Write[]): number | undefined {
  const given = writes.map(({ patienceMs }) => patienceMs).filter((patienceMs) => patienceMs !== undefined)
  return given.length > 0 ? Math.min(...given) : undefined
}
