/** Runs the simulation: bundles it, because the oldest Node that is supported cannot strip types, and loads the bundle. */

import { mkdirSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

process.chdir(resolve(dirname(fileURLToPath(import.meta.url)), '..'))
mkdirSync('.tmp/sim', { recursive: true })
const outfile = resolve(`.tmp/sim/main-${process.pid}.mjs`)
await build({
  entryPoints: ['sim/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['esbuild'],
  logLevel: 'warning',
})
try {
  await import(pathToFileURL(outfile).href)
} finally {
  rmSync(outfile)
}
