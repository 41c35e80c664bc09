/** Tenure on the files of one host. */

import { file } from 'tenure/file'
import { standOn } from './tenure.mjs'

export function stand(plan) {
  return standOn(file({ dir: plan.directory }), plan)
}
