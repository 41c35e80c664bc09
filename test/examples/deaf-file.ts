/** The file store without its bell: of a release hears only who is told of it otherwise. */

import type { LeaseStore } from '../../src/store.ts'
import { type FileOptions, file as hearing } from '../../src/stores/file.ts'

export function file(options: FileOptions): LeaseStore {
  const { watch: _, ...store } = hearing(options)
  return store
}
