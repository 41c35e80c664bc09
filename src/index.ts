/** The door of the library: re-exports only. */

export { Candidate } from './candidate.ts'
export type { Clock } from './clock.ts'
export { TenureError, type TenureErrorCode } from './errors.ts'
export type { CandidateEvents, Leader, Listener } from './events.ts'
export { Fence } from './fence.ts'
export { type LeadOptions, lead } from './lead.ts'
export { type ObserveOptions, observe } from './observer.ts'
export type { CandidateOptions, Logger, Work } from './options.ts'
export type { CallSign, ChangeSign, Sign, Traced, TroubleSign } from './signs.ts'
export type { TenureEnd } from './states.ts'
export type { Author, Bid, Hold, Lease, LeaseStore, Memo, StoreTiming } from './store.ts'
export type { StepDownOptions, Tenure } from './tenure.ts'
