/** Programs of this folder, or of one beside it, as plain modules, so that a process of its own can run them on any Node. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const made = new Map<string, Promise<string>>()

/** The path of the program, made once. */
export function bundled(name: string): Promise<string> {
  const path = made.get(name) ?? make(name)
  made.set(name, path)
  return path
}

async function make(name: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tenure-program-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
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
