/**
 * Every metric: its name, what it says, its labels. The same for all who export them. No label names a candidate: each
 * restart would leave a series behind.
 */

interface Metric {
  readonly help: string
  readonly labels: readonly string[]
}

export interface GaugeMetric extends Metric {
  /** How values of several processes behind one endpoint are made into one. */
  readonly aggregator: 'sum' | 'max'
  readonly unit?: 's'
}

export interface HistogramMetric extends Metric {
  /** Upper bounds, in seconds. */
  readonly buckets: readonly number[]
}

const perElection = ['election'] as const
const callSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const leaseSeconds = [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 60]
const failoverSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 60, 120, 300]

export const gauges = {
  leader_election_is_leader: {
    help: 'Whether a candidate of this process leads at this moment: 1 or 0',
    labels: perElection,
    aggregator: 'sum',
  },
  leader_election_master_status: {
    help: 'The same as leader_election_is_leader, by the name that dashboards of Kubernetes components use',
    labels: ['name'],
    aggregator: 'sum',
  },
  leader_election_fencing_token: {
    help: 'Fencing token of the newest tenure of this process; 0 before the first',
    labels: perElection,
    aggregator: 'max',
  },
  leader_election_lease_remaining_seconds: {
    help: 'How long nobody else can lead; 0 while this process has no lease',
    labels: perElection,
    aggregator: 'max',
    unit: 's',
  },
  leader_election_event_loop_delay_seconds: {
    help: 'Longest delay of the event loop in the last one to two minutes',
    labels: [],
    aggregator: 'max',
    unit: 's',
  },
} as const satisfies Record<string, GaugeMetric>

export const counters = {
  leader_election_transitions_total: {
    help: 'Changes of the candidates of this process, and why',
    labels: ['election', 'to', 'reason'],
  },
  leader_election_renewals_total: {
    help: 'Renewals, by what came of them: renewed, refused, or the code of an error',
    labels: ['election', 'result'],
  },
  leader_election_work_overruns_total: {
    help: 'Work that had not ended long after its tenure had',
    labels: perElection,
  },
} as const satisfies Record<string, Metric>

export const histograms = {
  leader_election_renewal_duration_seconds: {
    help: 'How long a renewal took',
    labels: perElection,
    buckets: callSeconds,
  },
  leader_election_renewal_margin_seconds: {
    help: 'How much was left of the lease when a renewal was answered',
    labels: perElection,
    buckets: leaseSeconds,
  },
  leader_election_failover_duration_seconds: {
    help: 'For how long nobody may have led before a candidate of this process took over',
    labels: ['kind'],
    buckets: failoverSeconds,
  },
  leader_election_store_operation_duration_seconds: {
    help: 'How long a call to the store took',
    labels: ['store', 'op', 'result'],
    buckets: callSeconds,
  },
} as const satisfies Record<string, HistogramMetric>

export type GaugeName = keyof typeof gauges
export type CounterName = keyof typeof counters
export type HistogramName = keyof typeof histograms
export type Labels = Readonly<Record<string, string>>

/** The entries of a part of the catalog, with the names it is known to have. */
export function entriesOf<Name extends string, Entry>(part: Readonly<Record<Name, Entry>>): readonly (readonly [Name, Entry])[] {
  return Object.entries(part) as [Name, Entry][]
}
