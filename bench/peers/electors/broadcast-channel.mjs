/** The leader election of broadcast-channel, between processes of one host. */

import { BroadcastChannel, createLeaderElection } from 'broadcast-channel'

export async function stand(plan) {
  const channel = new BroadcastChannel(plan.election)
  const elector = createLeaderElection(channel)
  elector.awaitLeadership().then(plan.elected)
  return {
    leads: () => elector.isLeader && !elector.isDead,
    async stop() {
      await elector.die()
      await channel.close()
    },
  }
}
