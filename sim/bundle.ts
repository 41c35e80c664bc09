/**
 * Bundles the simulation, as it is or with one fault planted. A mutant replaces one exact snippet of one source file
 * while it is read; where the snippet is not found exactly once the build fails, so that no mutant dies in silence.
 */

import { mkdirSync, readFileSync, rmSync } from 'node:fs'
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
  const plug = { done: false }
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    external: ['esbuild'],
    plugins: planting ? [plant(planting, plug)] : [],
  })
  if (planting && !plug.done) throw new Error(`mutant "${planting.name}": ${planting.file} is no part of ${entry}`)
  try {
    return (await import(pathToFileURL(outfile).href)) as Module
  } finally {
    rmSync(outfile)
  }
}

/** The source of a file with a fault planted. Throws unless each of its snippets is found exactly once. */
export function planted({ name, file, find, replace, also = [] }: Planting): string {
  let source = readFileSync(file, 'utf8')
  for (const snippet of [{ find, replace }, ...also]) {
    const count = source.split(snippet.find).length - 1
    if (count !== 1) throw new Error(`mutant "${name}": expected its snippet once in ${file}, found it ${count} times: ${snippet.find}`)
    source = source.replace(snippet.find, () => snippet.replace)
  }
  return source
}

function plant(planting: Planting, plug: { done: boolean }): Plugin {
  return {
    name: 'plant',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (relative(process.cwd(), path) !== planting.file) return undefined
        plug.done = true
        return { contents: planted(planting), loader: 'ts' }
      })
    },
  }
}
