/**
 * A stale leader that Redis itself refuses: its write is one script that compares its token with the largest seen. Run it
 * with the address of a server that may be written to:
 *
 *   npx esbuild examples/fencing-redis.ts --bundle --platform=node --format=esm --packages=external --outfile=.tmp/example.mjs
 *   node .tmp/example.mjs redis://127.0.0.1:6379
 */

import { Redis } from 'ioredis'
// In your project: 'tenure' and 'tenure/redis'.
import { Candidate, type Tenure, TenureError } from '../src/index.ts'
import { fenced, redis } from '../src/stores/redis.ts'

const client = new Redis(process.argv[2] ?? 'redis://127.0.0.1:6379')

/** A write with your own client. */
async function write(tenure: Tenure, value: string): Promise<string> {
  try {
    const [reply] = await fenced(client, tenure, [['SET', 'report', value]])
    return String(reply)
  } catch (error) {
    if (error instanceof TenureError && error.code === 'stale-token') return error.message
    throw error
  }
}

const first = new Candidate({ election: 'fencing-example', store: redis(client), id: 'first' })
const second = new Candidate({ election: 'fencing-example', store: redis(client), id: 'second' })

const elected = (candidate: Candidate) => new Promise<Tenure>((resolve) => candidate.on('elected', resolve))
const leading = elected(first)
await first.start()
const old = await leading
console.log('first leads, writes:', await write(old, 'by first'))

// It hands over. The next leader begins by shutting out all who led before, with a write of no commands.
const next = elected(second)
await second.start()
await first.stop()
const now = await next
await fenced(client, now, [])
console.log('first writes late:', await write(old, 'by first, late'))
console.log('second leads, writes:', await write(now, 'by second'))
console.log('report:', await client.get('report'))

await second.stop()
client.disconnect()
