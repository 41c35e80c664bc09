/**
 * Bundles the simulation, as it is or with one fault planted. A mutant replaces one exact snippet of one source file
 * while it is read; where the snippet is not found exactly once the build fails, so that no mutant dies in silence.
 */

import { mkdirSync, readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

/** One snippet and what replaces it. */
export interface Snippet {
  readonly find: string
  readonly replace: string
}

/** A fault, planted on purpose. */
export interface Planting extends Snippet {
  readonly name: string
  /** From the root of the project. */
  readonly file: string
  /** More snippets of the same file. */
  readonly also?: readonly Snippet[]
}

/** Where bundles go; ignored by git. */
const OUT = '.tmp/sim'

/** Bundle a file of the simulation, and load it. */
export async function load<Module>(entry: string, planting?: Planting): Promise<Module> {
  mkdirSync(OUT, { recursive: true })
  const outfile = resolve(OUT, `${planting?.name.replaceAll(/[^a-z0-9]+/gi, '-') ?? 'plain'}-${process.pid}.mjs`)
  const planted = { done: false }
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    external: ['esbuild'],
    plugins: planting ? [plant(planting, planted)] : [],
  })
  if (planting && !planted.done) throw new Error(`mutant "${planting.name}": ${planting.file} is no part of ${entry}`)
  return (await import(pathToFileURL(outfile).href)) as Module
}

function plant(planting: Planting, planted: { done: boolean }): Plugin {
  const { name, file, find, replace, also = [] } = planting
  return {
    name: 'plant',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (relative(process.cwd(), path) !== file) return undefined
        let contents = readFileSync(path, 'utf8')
        for (const snippet of [{ find, replace }, ...also]) {
          const count = contents.split(snippet.find).length - 1
          if (count !== 1)
            throw new Error(`mutant "${name}": expected its snippet once in ${file}, found it ${count} times: ${snippet.find}`)
          contents = contents.replace(snippet.find, () => snippet.replace)
        }
        planted.done = true
        return { contents, loader: 'ts' }
      })
    },
  }
}
