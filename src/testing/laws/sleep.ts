/** Real time for laws: where a store has no clock of its own to move, there is nothing to do but wait. */

import { systemClock } from '../../clock.ts'

/** Wait in real time, and never less than was asked for: timers may fire a little early. */
export async function sleep(ms: number): Promise<void> {
  const until = systemClock.mono() + ms
  for (let left = ms; left > 0; left = until - systemClock.mono()) {
    const delayMs = Math.ceil(left)
    await new Promise<void>((resolve) => systemClock.timer(delayMs, resolve, true))
  }
}

/** Let everything that waits already have its turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => systemClock.afterPending(resolve))
}
