/** Runs a TypeScript file of `bench/`: bundles it, because the oldest Node that is supported cannot strip types. */

import { join } from 'node:path'
import { ensureBuilt, root, run } from './prepare.mjs'

const [entry, ...args] = process.argv.slice(2)
ensureBuilt()
const { build } = await import('esbuild')
const outfile = join(root, '.tmp', `${entry.replaceAll('/', '-').replace(/\.ts$/, '')}.mjs`)
await build({
  entryPoints: [join(root, entry)],
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  outfile,
  packages: 'external',
  logLevel: 'error',
})
run(process.execPath, ['--expose-gc', outfile, ...args])
