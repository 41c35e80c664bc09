/** One process that calls `runOnce`: its work says that it begins, and goes on until a file says that it may end. */

import { appendFileSync, existsSync } from 'node:fs'
import { connect } from '../../src/cli/connect.ts'
import { runOnce } from '../../src/once.ts'

const [url = '', log = '', version = '', ttl = ''] = process.argv.slice(2)
const { store, close } = await connect(url)
// A line is one write, so that lines of two processes never mix.
const note = (what: string) => appendFileSync(log, `${what} ${process.pid}\n`)

console.log('calls')
const once = await runOnce(
  'once',
  async (tenure) => {
    note('begin')
    while (!existsSync(`${log}.go`)) await tenure.sleep(20)
    if (tenure.held) note('end')
    return process.pid
  },
  { store, version, ttlMs: Number(ttl), onTrouble: () => {} },
)
console.log(JSON.stringify(once))
await close()
