/**
 * Plants a fault in a module: the same source with one change, loaded beside the right one. A test that is worth its
 * name fails with it. The text to change has to be there exactly once, so that a fault cannot quietly become none.
 */

import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Change {
  /** From the root of the project. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Load a module of the project, with all it imports, after these changes. */
export async function plant(entry: string, changes: readonly Change[]): Promise<unknown> {
  const made = new Set<Change>()
  const { outputFiles } = await build({
    entryPoints: [root + entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    plugins: [
      {
        name: 'faults',
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            let contents = await readFile(path, 'utf8')
            for (const change of changes) {
              if (change.file !== relative(root, path)) continue
              if (contents.split(change.find).length !== 2) throw new Error(`not once in ${change.file}: ${change.find}`)
              contents = contents.replace(change.find, () => change.replace)
              made.add(change)
            }
            return { contents, loader: 'ts' }
          })
        },
      },
    ],
  })
  const missing = changes.find((change) => !made.has(change))
  if (missing) throw new Error(`${missing.file} is not part of ${entry}`)
  const [output] = outputFiles
  if (!output) throw new Error(`nothing was made of ${entry}`)
  // A URL that is the module itself: no file is left behind.
  const loaded: unknown = await import(`data:text/javascript;base64,${Buffer.from(output.contents).toString('base64')}`)
  return loaded
}
