/** Time that moves by hand, in a loop whose turns are real: the calls of a file are answered without time passing. */

import { systemClock } from '../../../src/clock.ts'
import { ManualClock } from '../../../src/testing/index.ts'

export class HandClock extends ManualClock {
  override afterPending(then: () => void): void {
    systemClock.afterPending(then)
  }
}
