/**
 * The core where there is no test runner: the laws on the memory store, the machine's states, and a candidate from start
 * to stop. Throws, and so ends with another code than 0, where something is broken.
 */

import { step } from '../src/election.ts'
import { Candidate, lead, observe } from '../src/index.ts'
import { memory } from '../src/stores/memory.ts'
import { laws, ManualClock, missing, openLab } from '../src/testing/index.ts'
import { explore } from './election/explore.ts'

let checked = 0
for (const law of laws) {
  const clock = new ManualClock()
  const store = memory({ clock })
  const lab = await openLab({ open: () => store, elapse: (ms) => clock.advance(ms) })
  if (missing(law, lab) === undefined) {
    await law.check(lab)
    checked++
  }
  await lab.close()
}
if (checked < 20) throw new Error(`only ${checked} laws were checked`)

const timing = { ttlMs: 4, renewMs: 1, callMs: 1, marginMs: 1, drift: 0, retryMs: 2, drainMs: 4, observed: false, phaseMs: 0 }
const found = explore({ timing, dice: 0, slots: 1, operator: false, step }, 100_000)
if (found.trail) throw new Error(found.trail.join('\n'))

const store = memory()
const candidate = new Candidate({ election: 'e', store, renewMs: 100 })
let renewals = 0
const renewedTwice = new Promise<void>((resolve) => candidate.on('renewed', () => void (++renewals === 2 && resolve())))
await candidate.start()
if (!candidate.isLeader) throw new Error('it does not lead')
const tenure = candidate.tenure
await renewedTwice
if (!(await tenure?.sleep(10))) throw new Error('it has not kept its lease')
for await (const leader of observe('e', { store })) {
  if (leader?.candidate !== candidate.id) throw new Error('the observer sees somebody else')
  break
}
await candidate.stop()
if (tenure?.signal.aborted !== true) throw new Error('its signal was not aborted')
const value = await lead('e', async ({ fencingToken }) => fencingToken > (tenure?.fencingToken ?? 0), { store })
if (value !== true) throw new Error('the token has not grown')
console.log(`${checked} laws, ${found.states} states`)
