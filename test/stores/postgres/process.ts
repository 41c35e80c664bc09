/** Programs of this folder, or of one beside it, as plain modules, so that a process of its own can run them on any Node. */

import { mkdtempSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { currentRun } from '../../harness/run.ts'

const made = new Map<string, Promise<string>>()

/** The path of the program, made once. */
export function bundled(name: string): Promise<string> {
  const path = made.get(name) ?? make(name)
  made.set(name, path)
  return path
}

async function make(name: string): Promise<string> {
  const directory = mkdtempSync(join(currentRun().temporary, 'program-'))
  const outfile = join(directory, `${basename(name)}.mjs`)
  await build({
    entryPoints: [fileURLToPath(new URL(`./${name}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    external: ['pg-native', 'cloudflare:sockets'],
    // What pg requires has to be found from within a module.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  })
  return outfile
}
