/**
 * `npm run figures -- [name [part...]]`: what is measured, and asserted nowhere. Without a name: all that needs no
 * server. With `all`: everything there is, which takes two hours. Measure on a machine that does nothing else.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, say } from './prepare.mjs'

const bundled = join(root, 'scripts', 'bundled.mjs')
const figures = {
  core: [bundled, 'bench/core.ts'],
  file: [bundled, 'bench/stores/file.ts'],
  run: [join(root, 'scripts', 'rounds.mjs')],
  peers: [join(root, 'bench', 'peers', 'run.mjs')],
}
for (const name of readdirSync(join(root, 'bench', 'stores')).map((file) => file.replace(/\.ts$/, ''))) {
  if (name !== 'shared') figures[name] ??= [bundled, `bench/stores/${name}.ts`]
}
for (const name of readdirSync(join(root, 'bench')).filter((file) => file.endsWith('.ts'))) {
  figures[name.replace(/\.ts$/, '')] ??= [bundled, `bench/${name}`]
}

const [name, ...args] = process.argv.slice(2)
if (name !== undefined && name !== 'all' && !Object.hasOwn(figures, name)) {
  say(`Unknown figures \`${name}\`: expected all or one of ${Object.keys(figures).join(', ')}`)
  process.exit(64)
}
const wanted = name === undefined ? ['core', 'file', 'run'] : name === 'all' ? Object.keys(figures) : [name]
for (const each of wanted) {
  say(`\n${each}`)
  run(process.execPath, [...figures[each], ...args])
}
