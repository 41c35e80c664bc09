/** unix-socket-leader: who listens on the socket leads. */

import { join } from 'node:path'
import leader from 'unix-socket-leader'

export async function stand(plan) {
  const own = leader(join(plan.directory, plan.election))
  let leads = false
  own.on('leader', () => {
    leads = true
    plan.elected()
  })
  own.on('error', () => {})
  return {
    leads: () => leads,
    stop() {
      leads = false
      return new Promise((resolve) => own.close(resolve))
    },
  }
}
