/** What the head of an example tells to type leaves nothing in the clone that git would see. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const folder = fileURLToPath(new URL('../../examples', import.meta.url))
const written = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.[jt]s$/.test(name))
  .flatMap((name) => [...readFileSync(join(folder, name), 'utf8').matchAll(/--outfile=(\S+)|^ \* {3}node (?!examples\/)(\S+)/gm)])
  .map(([, bundle, run]) => bundle ?? run)

test('bundles are written to .tmp, and run from there', () => {
  expect(written.length).toBeGreaterThan(5)
  expect(written.filter((path) => !path?.startsWith('.tmp/'))).toEqual([])
})
