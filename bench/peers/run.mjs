/**
 * `node bench/peers/run.mjs [elector...]`: other electors and Tenure, through the same faults, in one table. Installs the
 * peers into a folder of their own, lays Tenure beside them as a user would have it, and runs. Takes up to an hour for
 * all; measure on a machine that does nothing else. With `--write` it is put into docs/peers.md.
 */

import { cpSync, existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, root, run, say } from '../../scripts/prepare.mjs'

const here = join(root, 'bench', 'peers')
const installed = join(here, 'node_modules', '.package-lock.json')
ensureBuilt()
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(join(here, 'package-lock.json')).mtimeMs) {
  say('Installing the peers (about twenty seconds) ...')
  // No peer needs a script of its own to work.
  run('npm', ['ci', '--ignore-scripts', '--loglevel=error'], { cwd: here })
}
// A copy, so that a build meanwhile does not change what is measured.
const copy = join(here, 'node_modules', 'tenure')
rmSync(copy, { recursive: true, force: true })
for (const part of ['package.json', 'dist']) cpSync(join(root, part), join(copy, part), { recursive: true })
run(process.execPath, [join(root, 'scripts', 'bundled.mjs'), 'bench/peers/main.ts', ...process.argv.slice(2)])
