/** The door of `tenure/testing`: re-exports only. */

export { type BusGround, BusLab, type BusNeed, type Ear } from './buses/lab.ts'
export { type BusLaw, busLaws } from './buses/laws.ts'
export { Cluster, type ClusterOptions, type SeenTenure } from './cluster.ts'
export { type DescribeBusOptions, describeBus } from './describe-bus.ts'
export { type DescribeStoreOptions, describeStore, type Runner } from './describe-store.ts'
export { type CallFault, type Chances, type FlakyOptions, FlakyStore, flaky, type Verb } from './flaky.ts'
export { Lab, type LabOptions, type Law, LawBroken, laws, missing, type Need, openLab } from './laws.ts'
export { ManualClock, type ManualClockOptions } from './manual-clock.ts'
