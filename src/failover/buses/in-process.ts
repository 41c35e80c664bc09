/**
 * A bus for instances in one process: for tests, and for two halves of one program. Whoever shares the object shares
 * the bus.
 */

import { systemClock } from '../../clock.ts'
import type { Bus } from '../bus.ts'
import { type LinkEnds, linkedBus } from './shared/linked.ts'

/** Give the same object to all who shall hear each other. */
export function inProcessBus(): Bus {
  return linkedBus({ name: 'in-process', clock: systemClock, open })
}

function open(ends: LinkEnds) {
  let there: readonly string[] = []
  queueMicrotask(() => ends.up())
  return {
    async send(text: string) {
      ends.heard(text)
    },
    present(names: readonly string[]) {
      for (const name of there) if (!names.includes(name)) ends.closed(name)
      there = names
    },
    close() {},
  }
}
