import { existsSync } from 'node:fs'
import { until } from './server.ts'

/** What is run by `run.test.ts`, which looks at it from outside, goes on until that has seen it. */
export async function seen(): Promise<void> {
  const path = process.env['TENURE_TEST_SEEN']
  if (path !== undefined) await until('it is seen', () => existsSync(path))
}
