/**
 * Judges a log of actions: `from to token candidate` a line, where the leader asked between `from` and `to`, by the
 * monotonic clock that all processes of the host share. Tokens order tenures totally, so one pass is enough.
 */

export interface Verdict {
  readonly actions: number
  readonly tenures: number
  /** Actions that began after one of a later tenure had ended: somebody believed in an old tenure. */
  readonly outOfOrder: number
  /** The longest time in which nobody acted. */
  readonly longestGapMs: number
}

export function judge(log: string): Verdict {
  const actions = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '))
    .map(([from, to, token]) => ({ from: Number(from), to: Number(to), token: Number(token) }))
  const byEnd = actions.toSorted((a, b) => a.to - b.to)
  const byBegin = actions.toSorted((a, b) => a.from - b.from)
  let outOfOrder = 0
  let largest = 0
  let ended = 0
  let longestGapMs = 0
  let last = byBegin[0]?.from ?? 0
  for (const action of byBegin) {
    for (let done = byEnd[ended]; done && done.to <= action.from; done = byEnd[++ended]) largest = Math.max(largest, done.token)
    if (action.token < largest) outOfOrder += 1
    longestGapMs = Math.max(longestGapMs, action.from - last)
    last = Math.max(last, action.to)
  }
  return { actions: actions.length, tenures: new Set(actions.map(({ token }) => token)).size, outOfOrder, longestGapMs }
}
