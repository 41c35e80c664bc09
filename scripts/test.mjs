/** `npm test`: makes everything ready, runs the tests, and says in one closing line what had to be left out. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ensureBuilt, ensureServers, root, say } from './prepare.mjs'

ensureBuilt()
const missing = ensureServers()
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const { status } = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
if (missing.length > 0) {
  const names = missing.map(({ name }) => name).join(', ')
  const packages = missing.flatMap((server) => server.packages).join(' ')
  say(`Left out, because they are not installed: ${names}. On Debian: sudo npm run setup (apt-get install ${packages})`)
}
process.exit(status ?? 1)
