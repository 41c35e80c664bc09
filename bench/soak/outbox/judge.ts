/**
 * Judges a run of the outbox from what its receiver was offered, what the producer inserted, and what was done to the
 * services. Pure: the log in, figures and faults out. Instants are milliseconds by one clock, that of who wrote the log.
 */

export interface Log {
  readonly inserted: readonly { readonly id: number; readonly at: number }[]
  /** In the order in which the receiver answered. */
  readonly offers: readonly Offer[]
  readonly tenures: readonly Tenure[]
  readonly strikes: readonly Strike[]
  readonly samples: readonly Sample[]
}

export interface Offer {
  readonly id: number
  readonly fencingToken: number
  readonly answer: 'accepted' | 'repeated' | 'stale'
  readonly at: number
}

export interface Tenure {
  readonly fencingToken: number
  readonly service: string
  readonly at: number
  /** What its leader said when it ended, if it could say anything. */
  readonly why?: string | undefined
}

/** What is done to the leader: kill -9, SIGSTOP, each also in the moment between sending and marking; to a follower; to all. */
export const kinds = ['kill', 'killMarking', 'freeze', 'freezeMarking', 'follower', 'rolling'] as const
export type Kind = (typeof kinds)[number]
const forcing: ReadonlySet<Kind> = new Set<Kind>(['kill', 'killMarking', 'freeze', 'freezeMarking'])

/** Something that was done to the services, from its begin until everything was calm again. */
export interface Strike {
  readonly kind: Kind
  readonly from: number
  readonly to: number
  /** The tokens of the leaders that it hit. */
  readonly struck: readonly number[]
}

/** What the database saw in a calm moment. */
export interface Sample {
  readonly at: number
  readonly connections: number
  readonly transactions: number
}

export interface Bounds {
  /** The longest that a message may wait. */
  readonly waitMs: number
  /** How many messages a leader may have sent and not marked. */
  readonly batch: number
}

/** How often what must never be was seen. */
export interface Faults {
  acceptedTwice: number
  staleAccepted: number
  /** A message was accepted after a later one. */
  outOfOrder: number
  lost: number
  waitedTooLong: number
  /** Offered under a token that no leader had. */
  byNobody: number
  /** Offered again, and not by the next leader for what a dead, frozen or slow one had in flight. */
  strayRepeats: number
  /** More or fewer changes of leader than leaders were struck, but for those that were lost to slowness. */
  changesAmiss: number
  /** The same service led again after it was killed or frozen. */
  sameAgain: number
  /** A leader that nobody touched let its lease run out: the machine was too slow for this ttl. */
  lostToSlowness: number
  /** Connections, or transactions a second, have grown. */
  growth: number
}

export interface Verdict {
  readonly faults: Faults
  readonly accepted: number
  readonly repeats: number
  readonly refused: number
  readonly changes: number
  /** The longest wait of a message that waited during each kind of strike, and otherwise. */
  readonly longestMs: Readonly<Record<Kind | 'calm', number>>
  readonly mostChangesInRolling: number
}

export function judge(log: Log, bounds: Bounds): Verdict {
  const { repeats, strayRepeats } = judgeRepeats(log, bounds)
  const { longestMs, lost, waitedTooLong } = judgeWaits(log, bounds)
  const changes = judgeChanges(log)
  const known = new Set(log.tenures.map(({ fencingToken }) => fencingToken))
  return {
    faults: {
      ...judgeOrder(log.offers),
      lost,
      waitedTooLong,
      byNobody: log.offers.filter(({ fencingToken }) => !known.has(fencingToken)).length,
      strayRepeats,
      changesAmiss: changes.amiss,
      sameAgain: changes.sameAgain,
      lostToSlowness: changes.slow,
      growth: judgeGrowth(log.samples),
    },
    accepted: log.offers.filter(({ answer }) => answer === 'accepted').length,
    repeats,
    refused: log.offers.filter(({ answer }) => answer === 'stale').length,
    changes: Math.max(0, log.tenures.length - 1),
    longestMs,
    mostChangesInRolling: changes.mostInRolling,
  }
}

/** Name what is not as it should be, for people. Empty for a run without a fault. */
export function namesOf(faults: Faults): string[] {
  return Object.entries(faults).flatMap(([name, count]) => (count === 0 ? [] : [`${name} ${count}`]))
}

/** By the answers alone, so that a receiver that forgets, or that does not fence, is caught as well. */
function judgeOrder(offers: readonly Offer[]) {
  const ids = new Set<number>()
  const found = { acceptedTwice: 0, staleAccepted: 0, outOfOrder: 0 }
  let largestId = 0
  let largestToken = 0
  for (const { id, fencingToken, answer } of offers) {
    if (answer === 'accepted') {
      if (ids.has(id)) found.acceptedTwice += 1
      else if (id < largestId) found.outOfOrder += 1
      if (fencingToken < largestToken) found.staleAccepted += 1
      ids.add(id)
      largestId = Math.max(largestId, id)
    }
    largestToken = Math.max(largestToken, fencingToken)
  }
  return found
}

/**
 * A kill between sending and marking makes a repetition unavoidable. It is one only of what was accepted under a leader
 * that was killed or frozen, or too slow to keep its lease, by a later one, once, before that one sends anything new, and
 * no more than a batch.
 */
function judgeRepeats({ offers, strikes, tenures }: Log, { batch }: Bounds): { repeats: number; strayRepeats: number } {
  const struck = strikes.filter(({ kind }) => forcing.has(kind)).flatMap((strike) => strike.struck)
  const forced = [...struck, ...tenures.filter(isSlow).map(({ fencingToken }) => fencingToken)]
  const acceptedUnder = new Map<number, number>()
  const again = new Map<number, Set<number>>()
  const begun = new Set<number>()
  const found = { repeats: 0, strayRepeats: 0 }
  for (const { id, fencingToken, answer } of offers) {
    if (answer === 'stale') continue
    const first = acceptedUnder.get(id)
    if (first === undefined) {
      acceptedUnder.set(id, fencingToken)
      begun.add(fencingToken)
      continue
    }
    found.repeats += 1
    const mine = again.get(fencingToken) ?? new Set()
    again.set(fencingToken, mine)
    const unavoidable = forced.some((token) => first <= token && token < fencingToken)
    if (!unavoidable || mine.has(id) || begun.has(fencingToken) || mine.size >= batch) found.strayRepeats += 1
    mine.add(id)
  }
  return found
}

function judgeWaits({ inserted, offers, strikes }: Log, { waitMs }: Bounds) {
  const acceptedAt = new Map<number, number>()
  for (const { id, at, answer } of offers) if (answer === 'accepted' && !acceptedAt.has(id)) acceptedAt.set(id, at)
  const longestMs = { kill: 0, killMarking: 0, freeze: 0, freezeMarking: 0, follower: 0, rolling: 0, calm: 0 }
  let lost = 0
  let waitedTooLong = 0
  for (const { id, at } of inserted) {
    const end = acceptedAt.get(id)
    if (end === undefined) {
      lost += 1
      continue
    }
    const kind = strikes.find(({ from, to }) => from <= end && at <= to)?.kind ?? 'calm'
    longestMs[kind] = Math.max(longestMs[kind], end - at)
    if (end - at > waitMs) waitedTooLong += 1
  }
  return { longestMs, lost, waitedTooLong }
}

/** Each leader that was struck has one successor, another service, and nobody else changes. */
function judgeChanges({ tenures, strikes }: Log) {
  const forced = new Set<number>()
  const struck = new Set<number>()
  for (const strike of strikes) {
    for (const token of strike.struck) struck.add(token)
    if (forcing.has(strike.kind)) for (const token of strike.struck) forced.add(token)
  }
  const found = { amiss: 0, sameAgain: 0, slow: 0, mostInRolling: 0 }
  for (const [index, tenure] of tenures.entries()) {
    const next = tenures[index + 1]
    if (next && next.fencingToken <= tenure.fencingToken) found.amiss += 1
    if (next && !struck.has(tenure.fencingToken)) {
      if (isSlow(tenure)) found.slow += 1
      else found.amiss += 1
    }
    if (!next && struck.has(tenure.fencingToken)) found.amiss += 1
    if (next && forced.has(tenure.fencingToken) && next.service === tenure.service) found.sameAgain += 1
  }
  for (const { kind, from, to } of strikes) {
    if (kind !== 'rolling') continue
    found.mostInRolling = Math.max(found.mostInRolling, tenures.filter(({ at }) => from <= at && at <= to).length)
  }
  return found
}

/** As its leader said: it had not ended it itself. */
function isSlow({ why }: Tenure): boolean {
  return why === 'expired' || why === 'superseded'
}

/** Compares the first third with the last. Pools open and close a few connections as they need them. */
function judgeGrowth(samples: readonly Sample[]): number {
  const third = Math.floor(samples.length / 3)
  if (third < 3) return 0
  const rates = samples.slice(1).map(({ at, transactions }, index) => {
    const before = samples[index]
    return before ? ((transactions - before.transactions) * 1000) / (at - before.at) : 0
  })
  const connections = samples.map((sample) => sample.connections)
  const grows = (values: number[], factor: number, plus: number) =>
    median(values.slice(-third)) > median(values.slice(0, third)) * factor + plus
  return Number(grows(connections, 1, 3)) + Number(grows(rates, 1.5, 0))
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
