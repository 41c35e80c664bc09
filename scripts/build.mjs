/**
 * Builds the package: `tsc` emits the library, esbuild bundles the command together with its own tools, so that the
 * package has no dependencies. As a module it bundles the command alone, for tests, and with faults in it if asked to.
 */

import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Bundle the command and its guard into a folder. */
export async function bundleCli(outdir, faults = []) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const planted = new Set()
  const shared = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    outdir,
    define: { TENURE_VERSION: JSON.stringify(version) },
    logLevel: 'warning',
    plugins: [planting(faults, planted)],
  }
  // The guard starts with every run: a file of its own, with nothing in it that it does not need.
  await build({ ...shared, entryPoints: ['src/cli/guard.ts'] })
  await build({ ...shared, entryPoints: ['src/cli/main.ts'], splitting: true })
  chmodSync(join(outdir, 'main.js'), 0o755)
  for (const fault of faults) if (!planted.has(fault)) throw new Error(`${fault.file} does not contain: ${fault.from}`)
}

function planting(faults, planted) {
  return {
    name: 'faults',
    setup(esbuild) {
      for (const file of new Set(faults.map((fault) => fault.file))) {
        const path = join(root, file)
        esbuild.onLoad({ filter: new RegExp(`^${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`) }, () => {
          let contents = readFileSync(path, 'utf8')
          for (const fault of faults.filter((one) => one.file === file && contents.includes(one.from))) {
            contents = contents.replace(fault.from, () => fault.to)
            planted.add(fault)
          }
          return { contents, loader: 'ts' }
        })
      }
    },
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
  await bundleCli(join(root, 'dist', 'cli'))
}
