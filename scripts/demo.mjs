/** `npm run demo`: makes everything ready, then shows the main job. */

import { join } from 'node:path'
import { ensureBuilt, root, run } from './prepare.mjs'

ensureBuilt()
run(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'demo'])
