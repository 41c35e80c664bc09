/** `npm run setup`: dependencies, build, and the servers to test on. */

import { ensureBuilt, ensureServers, fail, say } from './prepare.mjs'

ensureBuilt()
const missing = ensureServers()
if (missing.length > 0) {
  const packages = missing.flatMap((server) => server.packages).join(' ')
  fail(
    `Still missing: ${missing.map(({ name }) => name).join(', ')}. As root on Debian this command installs them: apt-get install ${packages}`,
  )
}
say('Everything is ready.')
