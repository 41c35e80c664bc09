/** Tenure on etcd. */

import { etcd } from 'tenure/etcd'
import { standOn } from './tenure.mjs'

export function stand(plan) {
  return standOn(etcd({ endpoints: `http://127.0.0.1:${plan.port}` }), plan)
}
