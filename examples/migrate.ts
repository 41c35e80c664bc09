/**
 * A migration that runs once, however many replicas start with it. Run it in several terminals at once, and again:
 *
 *   npx esbuild examples/migrate.ts --bundle --platform=node --format=esm --outfile=.tmp/migrate.mjs && node .tmp/migrate.mjs
 */

// In your project: 'tenure/once' and 'tenure/file'.
import { runOnce } from '../src/once.ts'
import { file } from '../src/stores/file.ts'

const store = file({ dir: process.env['TENURE_DIR'] })

const once = await runOnce(
  'migrate',
  async (tenure) => {
    for (const step of ['add a column', 'fill it', 'drop the old one']) {
      tenure.assertHeld()
      console.log(step)
      await tenure.sleep(500)
    }
  },
  { store, version: 12, waitMs: 300_000 },
)
console.log(once.ran ? 'migrated here' : 'migrated already, or elsewhere')
