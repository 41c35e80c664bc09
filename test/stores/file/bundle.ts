/**
 * Make one plain module of a TypeScript file and all it imports, so that a process of its own can run it, and so that a
 * fault can be planted in it on the way.
 */

import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { afterAll } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** A change of one line or so in one file. What it looks for has to be there exactly once. */
export interface Change {
  /** From the root of the project. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

const folders: string[] = []
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

/** The URL of the module. `entry` is a file next to this one. */
export async function bundle(entry: string, changes: readonly Change[] = []): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tenure-bundle-'))
  folders.push(folder)
  // Some run it as another user.
  await chmod(folder, 0o755)
  const outfile = join(folder, `${entry}.mjs`)
  const made = new Set<Change>()
  await build({
    entryPoints: [fileURLToPath(new URL(`./${entry}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'silent',
    plugins: [
      {
        name: 'changes',
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            const text = await readFile(path, 'utf8')
            const mine = changes.filter(({ file }) => file === relative(root, path))
            const contents = mine.reduce((before, change) => {
              if (before.split(change.find).length !== 2) throw new Error(`not once in ${change.file}: ${change.find}`)
              made.add(change)
              return before.replace(change.find, () => change.replace)
            }, text)
            return { contents, loader: 'ts' }
          })
        },
      },
    ],
  })
  const missing = changes.find((change) => !made.has(change))
  if (missing) throw new Error(`${missing.file} is not part of ${entry}`)
  return pathToFileURL(outfile).href
}
