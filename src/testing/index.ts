/** The door of `tenure/testing`: re-exports only. */

export { ManualClock, type ManualClockOptions } from './manual-clock.ts'
