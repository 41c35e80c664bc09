/**
 * Many questions of one turn in one transaction of etcd, each a step of its own: what one compares and does is nothing to
 * the others. It may assume that a batch has one step for each election, which the coalescer promises: steps are compared
 * before any of them is done, so that two bids for one election would both be won. It must never let a step that is
 * refused refuse its neighbours.
 */

import type { Clock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { Coalescer, type Definite } from '../shared/coalesce.ts'
import type { Header, RangeAnswer, StepAnswer, TxnAnswer } from './wire.ts'

/** etcd takes at most 128 operations in a transaction, by default, and counts one more for each step that has steps. */
export const MOST_STEPS = 100

/** A request about one election, as it is sent alone. */
export interface Question {
  readonly election: string
  readonly body: object
  readonly patienceMs?: number | undefined
}

/** How one kind of request is sent alone, and how as a step. */
interface Kind<Answer> {
  readonly path: string
  stepOf(body: object): object
  answerOf(step: StepAnswer | undefined, header: Header | undefined): Answer | undefined
}

export type Ask = <T extends { readonly header?: Header }>(
  path: string,
  body: object,
  signal: AbortSignal,
  patienceMs: number | undefined,
) => Promise<T>

export const ranges: Kind<RangeAnswer> = {
  path: '/v3/kv/range',
  stepOf: (body) => ({ request_range: body }),
  answerOf: (step) => step?.response_range,
}

export const transactions: Kind<TxnAnswer> = {
  path: '/v3/kv/txn',
  stepOf: (body) => ({ request_txn: body }),
  // A step was written at the revision of the whole.
  answerOf: (step, header) => step?.response_txn && { ...step.response_txn, ...(header && { header }) },
}

export function batchesOf<Answer extends Definite & { readonly header?: Header }>(
  { path, stepOf, answerOf }: Kind<Answer>,
  ask: Ask,
  clock: Clock,
): Coalescer<Question, Answer> {
  const alone = ({ body, patienceMs }: Question, signal: AbortSignal) => ask<Answer>(path, body, signal, patienceMs)
  return new Coalescer({
    nameOf: ({ election }) => election,
    async many(questions, signal) {
      const [only] = questions
      if (only && questions.length === 1) return [await alone(only, signal)]
      const body = { success: questions.map((question) => stepOf(question.body)) }
      const { header, responses = [] } = await ask<TxnAnswer>(transactions.path, body, signal, leastOf(questions))
      return questions.map((_, index) => answerOf(responses[index], header))
    },
    alone,
    turn: (leave) => clock.afterPending(leave),
    most: MOST_STEPS,
    // Whoever does not answer does not answer singly; what one step was refused for may be nothing to the next.
    splits: (error) => !(error instanceof TenureError && error.code === 'store-unreachable'),
  })
}

function leastOf(questions: readonly Question[]): number | undefined {
  const given = questions.map(({ patienceMs }) => patienceMs).filter((patienceMs) => patienceMs !== undefined)
  return given.length > 0 ? Math.min(...given) : undefined
}
