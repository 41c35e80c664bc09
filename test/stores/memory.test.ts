import { describe, test } from 'vitest'
import { memory } from '../../src/stores/memory.ts'
import { describeStore, ManualClock } from '../../src/testing/index.ts'

const clock = new ManualClock()
const store = memory({ clock })

describeStore('memory', { open: () => store, elapse: (ms) => clock.advance(ms), runner: { describe, test } })
