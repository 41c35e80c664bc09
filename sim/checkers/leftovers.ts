/**
 * I13 Leftovers: after `stop()` no timer, no watch, no listener and no lease is left; unhandled rejections are counted
 * by `run.ts`. I18 Observers: the same of `observe()`, which ends when its signal aborts, and not by itself.
 */

import { getEventListeners } from 'node:events'
import type { Cluster } from '../cluster.ts'
import type { Checker } from '../witness.ts'

export function leftovers(cluster: Cluster): Checker {
  const { world, server } = cluster
  return {
    ended() {
      for (const member of cluster.members) {
        const { name, clock, inFlight, controller, working } = member
        if (clock.pending > 0) world.violated('I13', `${name}: ${clock.pending} timers are left`)
        if ([...inFlight].some((call) => !call.signal.aborted)) world.violated('I13', `${name}: a call is left in the air`)
        if (working) world.violated('I13', `${name}: work is left`)
        const listeners = getEventListeners(controller.signal, 'abort').length
        if (listeners > 0) world.violated('I13', `${name}: ${listeners} listeners are left on its signal`)
      }
      const { clock, ended } = cluster.bystander
      if (!ended) world.violated('I18', 'the observation has not ended')
      if (clock.pending > 0) world.violated('I18', `${clock.pending} timers are left by the observer`)
      for (const [host, client] of cluster.clients) {
        if (host.alive && client.watches() > 0) world.violated('I13', `${host.name}: a watch is left`)
      }
      for (const election of cluster.elections) {
        if (server.live(election)) world.violated('I13', `${election} is still held after everybody has stopped`)
      }
    },
  }
}
