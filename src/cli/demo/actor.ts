/**
 * One candidate of the demonstration, in a process of its own. While it leads it writes to the shared ledger ten times a
 * second, each time with its fencing token. It is told when to linger between the check and the write, which is what a
 * slow process does by itself.
 */

import { Candidate, type Tenure } from '../../index.ts'
import { file } from '../../stores/file.ts'
import { type Cue, election, hostClock, type Report, ttlMs } from './words.ts'

export async function act(dir: string, id: string): Promise<void> {
  // A stage that is gone hears nothing; that it is gone is told below.
  const say = (report: Report) => process.send?.(report, undefined, {}, () => {})
  let lingering = false
  const candidate = new Candidate({
    election,
    id,
    ttlMs,
    store: file({ dir }),
    async work(tenure: Tenure) {
      do {
        say({ type: 'lease', remainingMs: tenure.remainingMs() })
        if (!lingering) say({ type: 'write', fencingToken: tenure.fencingToken, isLate: false })
      } while (await tenure.sleep(100))
    },
  })
  candidate.on('elected', ({ fencingToken }) => say({ type: 'elected', at: hostClock(), fencingToken }))
  candidate.on('deposed', (_, why) => say({ type: 'deposed', at: hostClock(), why }))
  candidate.on('trouble', () => {})

  let mine: Tenure | undefined
  process.on('message', (cue: Cue) => {
    if (cue === 'linger') {
      lingering = true
      mine = candidate.tenure
      mine?.assertHeld()
      say({ type: 'checked' })
    }
    if (cue === 'go') {
      say({ type: 'woke', isLeader: candidate.isLeader })
      // Exactly the mistake that a fencing token is for: the check was true when it was made.
      if (mine) say({ type: 'write', fencingToken: mine.fencingToken, isLate: true })
      lingering = false
    }
    if (cue === 'stop') void candidate.stop().then(() => process.disconnect())
  })
  // The stage is gone: so is the play.
  process.on('disconnect', () => process.exit())
  if (!process.connected) process.exit()
  await candidate.start()
  say({ type: 'standing' })
}
