/** The Election of etcd3, as in its own example: a campaign, and after an error another one five seconds later. */

import { Etcd3 } from 'etcd3'

export async function stand(plan) {
  const election = new Etcd3({ hosts: `http://127.0.0.1:${plan.port}` }).election(plan.election, plan.ttlMs / 1000)
  let leads = false
  let stopped = false
  let current
  const campaign = () => {
    if (stopped) return
    const own = election.campaign(String(process.pid))
    current = own
    own.on('elected', () => {
      leads = true
      plan.elected()
    })
    own.on('error', () => {
      // One loss is told twice; as the example stands there would be two campaigns from then on.
      if (own !== current) return
      current = undefined
      leads = false
      setTimeout(campaign, 5000)
    })
  }
  campaign()
  return {
    leads: () => leads,
    async stop() {
      stopped = true
      leads = false
      await current?.resign()
    },
  }
}
