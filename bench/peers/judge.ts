/**
 * Judges what processes have done, by the instants that they have stamped themselves: all processes of a host share one
 * clock. Knows no elector. An elector is only ever judged by what was done in its name.
 */

/** One thing that was done by somebody who believed to lead. */
export interface Deed {
  readonly who: number
  /** Grows whenever the same process begins anew. */
  readonly term: number
  /** In ms, on the clock of the host. */
  readonly at: number
}

interface Span {
  readonly from: number
  readonly to: number
}

/** A process that did nothing for longer was frozen, or starved: it is not held against it that it believed meanwhile. */
const SILENCE_MS = 250

const keyOf = ({ who, term }: Deed) => `${who}:${term}`

function termsOf(deeds: readonly Deed[]): Map<string, Deed[]> {
  const terms = new Map<string, Deed[]>()
  for (const deed of [...deeds].sort((a, b) => a.at - b.at)) {
    const term = terms.get(keyOf(deed))
    if (term) term.push(deed)
    else terms.set(keyOf(deed), [deed])
  }
  return terms
}

/** What was done in a term after somebody else had begun a later one. */
export function staleOf(deeds: readonly Deed[]): Deed[] {
  const terms = termsOf(deeds)
  const begins = [...terms.values()].flatMap(([first]) => first ?? []).sort((a, b) => a.at - b.at)
  return [...terms.values()].flatMap((term) => {
    const [first] = term
    if (!first) return []
    const successor = begins.find(({ who, at }) => who !== first.who && at > first.at)
    return successor ? term.filter(({ at }) => at > successor.at) : []
  })
}

/** For how many ms at least two acted side by side. */
export function overlapOf(deeds: readonly Deed[]): number {
  const edges = spansOf(deeds).flatMap(({ from, to }) => [
    { at: from, step: 1 },
    { at: to, step: -1 },
  ])
  // Who ends at the instant at which another begins has not met him.
  edges.sort((a, b) => a.at - b.at || a.step - b.step)
  let leaders = 0
  let since = 0
  let overlap = 0
  for (const { at, step } of edges) {
    if (leaders >= 2) overlap += at - since
    leaders += step
    since = at
  }
  return overlap
}

/** When each acted without a break. Within a term there is no instant at which it said that it did not lead. */
function spansOf(deeds: readonly Deed[]): Span[] {
  return [...termsOf(deeds).values()].flatMap((term) => {
    const spans: { from: number; to: number }[] = []
    for (const { at } of term) {
      const last = spans.at(-1)
      if (last && at - last.to <= SILENCE_MS) last.to = at
      else spans.push({ from: at, to: at })
    }
    return spans
  })
}
