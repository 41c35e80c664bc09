/** What a store tells about the server behind it, for `tenure doctor`. Types only. */

export interface Finding {
  readonly severity: 'error' | 'warning' | 'info'
  /** What was found, one sentence. */
  readonly message: string
  /** What to do about it, or what it means. */
  readonly advice: string
}

export interface Fact {
  readonly name: string
  readonly value: string
}

export interface Examination {
  /**
   * A: exclusive belief and growing tokens through restarts and the failure of any minority. B: tokens still grow, two
   * candidates may believe for up to a ttl after a restart or a failover. C: unsafe, refused unless forced.
   */
  readonly level: 'A' | 'B' | 'C'
  readonly facts: readonly Fact[]
  readonly findings: readonly Finding[]
}
